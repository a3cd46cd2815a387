# One compiler for everything: clang-19 with libstdc++. GCC 12 miscompiles coroutines (temporaries
# in co_await expressions are destroyed twice), so it is refused rather than trusted.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  message(FATAL_ERROR "GCC ${CMAKE_CXX_COMPILER_VERSION} miscompiles C++ coroutines. "
                      "Use the presets (clang-19), or GCC 14 or newer.")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wno-unused-parameter
                    -Wno-missing-field-initializers -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_compile_options(-Wno-missing-designated-field-initializers
                      -Wno-gnu-zero-variadic-macro-arguments)
endif()
option(RUCHE_WERROR "Treat warnings as errors" ON)
if(RUCHE_WERROR)
  add_compile_options(-Werror)
endif()

# RUCHE_SANITIZE: a value for -fsanitize=. "everyday" leaves out the slow UBSan checks.
set(RUCHE_SANITIZE "" CACHE STRING "empty, everyday, full, thread or fuzz")
if(RUCHE_SANITIZE STREQUAL "everyday")
  set(ruche_sanitize -fsanitize=address,undefined
      -fno-sanitize=null,alignment,vptr,object-size,function -fno-sanitize-recover=all)
elseif(RUCHE_SANITIZE STREQUAL "full")
  set(ruche_sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(RUCHE_SANITIZE STREQUAL "thread")
  set(ruche_sanitize -fsanitize=thread)
elseif(RUCHE_SANITIZE STREQUAL "fuzz")
  set(ruche_sanitize -fsanitize=fuzzer-no-link,address,undefined
      -fno-sanitize=null,alignment,vptr,object-size,function -fno-sanitize-recover=all)
endif()
if(ruche_sanitize)
  add_compile_options(${ruche_sanitize})
  add_link_options(${ruche_sanitize})
endif()

# Crash points (kill the process at the n-th commit) exist only where tests need them.
option(RUCHE_FAULTS "Compile the crash points that the kill sweep uses" OFF)

find_program(RUCHE_CCACHE ccache)
if(RUCHE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RUCHE_CCACHE})
endif()
find_program(RUCHE_MOLD mold)
find_program(RUCHE_LLD ld.lld-19)
if(RUCHE_MOLD AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_link_options(-fuse-ld=mold)
elseif(RUCHE_LLD AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  add_link_options(-fuse-ld=lld-19)
endif()
option(RUCHE_PCH "Precompile the standard headers" ON)
