# One target per room. A room sees only the rooms it links: each room's headers are reached through an include folder
# of its own (a symbolic link), so an include across a forbidden border does not compile.

add_library(sluice_flags INTERFACE)
target_compile_features(sluice_flags INTERFACE cxx_std_20)
target_compile_options(sluice_flags INTERFACE -Wall -Wextra -Wno-unused-parameter -ffp-contract=off -fvisibility=hidden)
if(SLUICE_DEVELOPER)  # a user's newer compiler may warn of more than ours does
  target_compile_options(sluice_flags INTERFACE -Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)  # g++ 12 sees overlaps in string concatenation that are not there
    target_compile_options(sluice_flags INTERFACE -Wno-restrict)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(sluice_flags INTERFACE -Wno-psabi)
  if(SLUICE_UNITY)  # a source's own types look like a header's when it is included by another file
    target_compile_options(sluice_flags INTERFACE -Wno-subobject-linkage)
  endif()
endif()
if(SLUICE_SANITIZE)
  target_compile_options(sluice_flags INTERFACE -fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(sluice_flags INTERFACE -fsanitize=${SLUICE_SANITIZE})
endif()

if(SLUICE_FUZZ)
  target_compile_options(sluice_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(sluice_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Each source parses the same headers for half of its time (two cores, whole program: 190 s apart, 90 s together).
# Tests stay apart. The sanitizer presets build every source alone, so that each keeps including what it needs.
function(sluice_unity name)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${SLUICE_UNITY} UNITY_BUILD_BATCH_SIZE 8)
endfunction()

# sluice_room(NAME folder SOURCES … USES rooms/libraries whose headers appear in ours … PRIVATE …)
function(sluice_room name folder)
  cmake_parse_arguments(A "" "" "SOURCES;USES;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  sluice_unity(${name})
  set(door ${CMAKE_BINARY_DIR}/rooms/${name})
  string(REGEX REPLACE "/[^/]*$" "" parent ${folder})
  if(parent STREQUAL folder)
    set(parent "")
  endif()
  if(parent AND IS_SYMLINK ${door}/${parent})  # the room was the whole parent folder in an earlier configuration
    file(REMOVE ${door}/${parent})
  endif()
  file(MAKE_DIRECTORY ${door}/${parent})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${door}/${folder} SYMBOLIC)
  target_include_directories(${name} PUBLIC ${door})
  target_link_libraries(${name} PUBLIC ${A_USES} PRIVATE sluice_flags ${A_PRIVATE})
endfunction()

# What is written with Catch2 compiles in half the time like this: tests at -O2 took as long as all the rest.
function(sluice_test_options name)
  target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1> $<$<CONFIG:RelWithDebInfo>:-g1>)
endfunction()

# sluice_test(NAME SOURCES … USES … [TIMEOUT seconds]): one Catch2 program, registered with CTest.
function(sluice_test name)
  cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;USES;ARGS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  sluice_test_options(${name})
  target_link_libraries(${name} PRIVATE sluice_flags sluice_test_main ${A_USES})
  add_test(NAME ${name} COMMAND ${name} ${A_ARGS})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT})
endfunction()
