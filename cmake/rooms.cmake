# ruche_room(<name> [LINKS <room>...] [LIBRARIES <external>...])
#
# One room = one folder = one static library ruche_<name>, with the unit tests that sit beside the
# code (*_test.cpp) as ruche_<name>_test, and a link test: an empty program linked against this
# library alone, whole, so that an undeclared dependency is an undefined symbol.
function(ruche_room name)
  cmake_parse_arguments(room "" "" "LINKS;LIBRARIES" ${ARGN})
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER all EXCLUDE REGEX "_test\\.cpp$")
  if(NOT all)
    return()
  endif()
  add_library(ruche_${name} STATIC ${all})
  target_include_directories(ruche_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  foreach(link ${room_LINKS})
    target_link_libraries(ruche_${name} PUBLIC ruche_${link})
  endforeach()
  target_link_libraries(ruche_${name} PUBLIC ${room_LIBRARIES})
  ruche_precompile(ruche_${name})

  add_executable(ruche_${name}_link_test ${PROJECT_SOURCE_DIR}/cmake/link_test.cpp)
  target_link_libraries(ruche_${name}_link_test PRIVATE
    -Wl,--whole-archive $<TARGET_FILE:ruche_${name}> -Wl,--no-whole-archive ruche_${name})
  add_test(NAME link.${name} COMMAND ruche_${name}_link_test)

  if(tests)
    ruche_test(ruche_${name}_test SOURCES ${tests} LINKS ${name})
  endif()
endfunction()

# ruche_test(<target> SOURCES ... LINKS <room>... [LABEL unit]): a GoogleTest program.
function(ruche_test target)
  cmake_parse_arguments(test "" "LABEL" "SOURCES;LINKS" ${ARGN})
  if(NOT test_LABEL)
    set(test_LABEL unit)
  endif()
  add_executable(${target} ${test_SOURCES})
  foreach(link ${test_LINKS})
    target_link_libraries(${target} PRIVATE ruche_${link})
  endforeach()
  target_link_libraries(${target} PRIVATE GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${target} PRIVATE
    RUCHE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" RUCHE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  ruche_precompile(${target} TESTS)
  # One ctest entry per program: starting a sanitized process for every case costs too much.
  add_test(NAME ${test_LABEL}.${target} COMMAND ${target} --gtest_brief=1)
  set_tests_properties(${test_LABEL}.${target} PROPERTIES LABELS ${test_LABEL})
endfunction()

# One precompiled header for the rooms and programs, one more for the tests: each costs as much as a
# file. They are compiled with the definitions of ruche_base, which everything links; a target may
# have more of them, but none of the headers looks at those.
function(ruche_precompile target)
  if(NOT RUCHE_PCH)
    return()
  endif()
  target_compile_options(${target} PRIVATE -Xclang -fno-pch-timestamp)
  set(owner ruche_precompiled)
  if(ARGN STREQUAL "TESTS")
    set(owner ruche_precompiled_tests)
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()

# Called once, before the first room.
function(ruche_precompiled_headers)
  if(NOT RUCHE_PCH)
    return()
  endif()
  foreach(owner ruche_precompiled ruche_precompiled_tests)
    add_library(${owner} OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
    target_compile_options(${owner} PRIVATE -Xclang -fno-pch-timestamp)
    target_precompile_headers(${owner} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/precompiled.hpp)
    target_link_libraries(${owner} PRIVATE Boost::headers fmt::fmt)
  endforeach()
  target_precompile_headers(ruche_precompiled_tests PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
  target_link_libraries(ruche_precompiled_tests PRIVATE GTest::gtest GTest::gmock)
endfunction()
