"""The first file of an emulated board: what it prints goes to where the test reads it."""

import os

import machine

os.dupterm(machine.UART(0, 115200, txbuf=256))
