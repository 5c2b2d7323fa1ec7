// Our choices for MicroPython's rp2 port; what is not here is as in its own RPI_PICO.

#define MICROPY_HW_BOARD_NAME "Raspberry Pi Pico with Limpet"

// Of the 2 MB of flash: 1 MB for interpreter and agent, which take 0.7, the rest for files. The
// port's own 640 KB would not hold the agent.
#define MICROPY_HW_FLASH_STORAGE_BYTES (1024 * 1024)
