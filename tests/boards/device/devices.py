"""Runs on an emulated board: asks each family of device commands, prints what came.

The one rule: a line that begins with @ is a method, a space, and its result or error as JSON. The
back ends are those that the board finds for itself, over its own `machine`.
"""

import json
import time

import _onewire
import machine
from device_registry import Bench

from agent.errors import LimpetError

bench = Bench()


def ask(method, **params):
    """Print what a command gives."""
    try:
        told = bench.call(method, **params)
    except LimpetError as error:
        told = {"error": error.code, "message": error.message}
    print("@" + method, json.dumps(told))


ask("watchdog.list")
survey = bench.hardware.devices.survey()
print("@survey", json.dumps({name: survey[name].get("backend") for name in survey}))

kinds = ("Pin", "I2C", "SPI", "UART", "ADC", "PWM", "RTC", "WDT")
print("@machine", json.dumps({kind: dir(getattr(machine, kind)) for kind in kinds}))
print("@_onewire", json.dumps(dir(_onewire)))

for value in (1, 0):
    ask("gpio.write", path="pins", line=2, value=value)
ask("gpio.write", path="pins", line=2, value=1, active_low=True)
for active_low in (False, True):
    ask("gpio.read", path="pins", line=6, active_low=active_low)
ask("gpio.read", path="pins", line=88)
ask("gpio.read", path="pins", line=6, bias="pull-up")
print("@waits 0")
ask("gpio.wait", path="pins", line=6, wait_ms=5000, most=1)
ask("gpio.list")

ask("led.set", path="pins#25", level=1)
ask("led.blink", path="pins#25", pattern=[{"level": 0, "ms": 5}, {"level": 1, "ms": 5}], times=3)

ask("adc.read", path="adc26")
ask("adc.read", path="adc26", channel="smell")
ask("adc.read", path="adc99")

ask("pwm.set", path="pwm", channel=15, period_ns=1000000, duty_ns=250000)
print("@pulses 0")
time.sleep_ms(20)
ask("pwm.set", path="pwm", channel=15, period_ns=500000, duty_ns=250000, inverted=True)
ask("pwm.set", path="pwm", channel=15, period_ns=500000, duty_ns=250000, enabled=False)
ask("pwm.set", path="pwm", channel=77, period_ns=500000, duty_ns=250000)

ask("spi.transfer", path="spi0", data=[0x9F, 0, 1], settings={"cs": 17})
ask("spi.transfer", path="spi0", data=[5] * 300, settings={"mode": 3})
ask("spi.transfer", path="spi7", data=[5])

ask("i2c.write", path="i2c0", address=0x48, register=0x10, data=[1, 2, 3])
ask("i2c.read", path="i2c0", address=0x48, register=0x10, size=3)
ask("i2c.read", path="i2c0", address=0x29, register=0x10, size=1)

ask("uart.transact", path="uart1", text="ping\n", size=5, wait_ms=2000)
ask("rtc.set", path="rtc0", unix_s=1800000000)
time.sleep_ms(1500)
ask("rtc.read", path="rtc0")
ask("memory.read", space="physical", address=0x40000000)  # the chip's number, as it says

ask("onewire.list", path="onewire22")
for name in ("28-000005e2fdc3", "28-000000000001", "28-0000000000b0", "28-0000000000ee"):
    ask("onewire.read", path="onewire22", device=name)
ask("onewire.list", path="onewire21")

ask("watchdog.start", path="wdt0", timeout_s=2, feed="caller")
print("@starves 0")
time.sleep(10)
