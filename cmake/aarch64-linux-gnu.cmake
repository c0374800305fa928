# SPDX-License-Identifier: Apache-2.0
# Toolchain file: 64-bit ARM Linux from another machine, with the cross compiler of Debian and Ubuntu
# (g++-aarch64-linux-gnu); what is built runs here under qemu-aarch64 (qemu-user). See docs/building.md.
#
# The compiler looks into /usr/include itself, so packages that are headers alone (FlatBuffers, xxHash) are shared with
# the host. Libraries are looked for under /usr/lib/aarch64-linux-gnu only: the host's own are never taken.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(SLUICE_TARGET aarch64-linux-gnu)
if(NOT CMAKE_C_COMPILER)
  set(CMAKE_C_COMPILER ${SLUICE_TARGET}-gcc)
endif()
if(NOT CMAKE_CXX_COMPILER)
  set(CMAKE_CXX_COMPILER ${SLUICE_TARGET}-g++)
endif()

set(CMAKE_LIBRARY_ARCHITECTURE ${SLUICE_TARGET})
# Where the target's C library lies on the host, for programs that are run here.
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-L;/usr/${SLUICE_TARGET}")
