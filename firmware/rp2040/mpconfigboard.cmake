# A Raspberry Pi Pico, or any board with an RP2040 and 2 MB of flash.
set(PICO_BOARD "pico")
set(PICO_PLATFORM "rp2040")
set(MICROPY_BOARD_PINS ${MICROPY_PORT_DIR}/boards/RPI_PICO/pins.csv)

# There is no C++ in it, so it is built without a C++ library.
list(APPEND MICROPY_DEF_BOARD PICO_CXX_DISABLE_ALLOCATION_OVERRIDES=1)

# The port's stack of 8 KB holds 19 calls of Python in one another, and the agent needs some more:
# another 8 KB, from the end of the heap, which lies below it.
set(STACK_MORE "8k")
file(READ ${MICROPY_PORT_DIR}/memmap_mp_rp2040.ld MEMORY_MAP)
string(REPLACE "__GcHeapEnd = ORIGIN(RAM) + LENGTH(RAM);"
    "__GcHeapEnd = ORIGIN(RAM) + LENGTH(RAM) - ${STACK_MORE};" MEMORY_MAP "${MEMORY_MAP}")
string(REPLACE "__StackBottom = __StackTop - SIZEOF(.stack_dummy);"
    "__StackBottom = __GcHeapEnd;" MEMORY_MAP "${MEMORY_MAP}")
set(MICROPY_BOARD_LINKER_SCRIPT ${CMAKE_BINARY_DIR}/memory_map.ld)
file(WRITE ${MICROPY_BOARD_LINKER_SCRIPT} "${MEMORY_MAP}")
