"""A Modbus server that nobody here wrote: pymodbus, on a free port, in a process of its own.

    python modbus_server.py socket|rtu UNIT

prints the port that it listens on, and serves until it is ended. `rtu` frames as on a serial line.
Its tables: 64 coils of which every third is on, 64 discrete inputs the other way round, and 64
registers each: holding i * 3, input 65535 - i.
"""

import asyncio
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

COUNT = 64


def tables():
    """The four blocks, in pymodbus' order: coils, discrete inputs, holding, input."""
    coils = [i % 3 == 0 for i in range(COUNT)]
    return (
        [SimData(0, values=coils, datatype=DataType.BITS)],
        [SimData(0, values=[not on for on in coils], datatype=DataType.BITS)],
        [SimData(0, values=[i * 3 for i in range(COUNT)], datatype=DataType.REGISTERS)],
        [SimData(0, values=[65535 - i for i in range(COUNT)], datatype=DataType.REGISTERS)],
    )


async def serve(framer, unit):
    """Listen, and never return."""
    server = ModbusTcpServer(
        SimDevice(unit, simdata=tables()), framer=framer, address=("127.0.0.1", 0)
    )
    await server.serve_forever(background=True)
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()


asyncio.run(serve(FramerType(sys.argv[1]), int(sys.argv[2])))
