// SPDX-License-Identifier: Apache-2.0
// The avxvnni path on CPUs that have AVX-512 VNNI instead: the same instructions in their EVEX encoding, so that its
// code is run where AVX-VNNI itself is missing. Takes the place of isa/avxvnni.cc in a test program.
#include <immintrin.h>
#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32 _mm256_dpbusd_epi32
#include "backends/cpu/isa/avxvnni.cc"
