"""Ed25519 signatures checked (RFC 8032, section 5.1.7) with Python's integers alone.

The one rule: it takes its time in steps, so that whoever drives it can serve the link between any
two: `verify` is a generator of some 300 steps. It signs nothing: a secret would leak by the time
that these integers take, whereas everything that is checked here is public.

Stricter than the RFC must be, so that a signature has one form and all verifiers agree: S is below
the group's order, the coordinates of both points are below the field's, a public key of small
order is refused (with it one signature would fit many messages), and the equation holds without a
factor of 8.

Pure: bytes in, True or False out.
"""

from agent.sha512 import digest

PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64

# RFC 8032, section 5.1: the field, the curve's d, a square root of -1, the order, the base point.
_P = 2**255 - 19
_D = 37095705934669439343138083508754565189542113879843219016388785533085940283555
_D2 = 2 * _D % _P
_ROOT = 19681161376707505956807079304988542015446066515923890162744021073123829784752
_L = 2**252 + 27742317777372353535851937790883648493
_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 46316835694926478169428394003475163141307993866256225615783033603165251855960


def verify(public, message, signature):
    """A generator: True is what it returns if `signature` is that of `public` over `message`."""
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= _L:
        return False
    key = yield from _decode(public)
    if key is None or _is_small(key):
        return False
    hashed = yield from digest(signature[:32] + public + message)
    k = int.from_bytes(hashed, "little") % _L
    minus_key = (_P - key[0], key[1])
    found = yield from _multiply(s, k, minus_key)
    encoded = yield from _encode(found)
    return encoded == signature[:32]


def run(steps):
    """Drive `verify` to its end at once: what it returns."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


def _decode(data):
    """The point (x, y) in 32 bytes, or None (section 5.1.3)."""
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= 2**255 - 1
    if y >= _P:
        return None
    u = (y * y - 1) % _P
    v = (_D * y * y + 1) % _P
    v3 = v * v * v % _P
    power = yield from _power(u * v3 * v3 * v % _P)
    x = u * v3 * power % _P
    check = v * x * x % _P
    if check == _P - u:
        x = x * _ROOT % _P
    elif check != u:
        return None
    if x == 0 and sign:
        return None
    return (_P - x if x & 1 != sign else x), y


def _power(z):
    """z ** (2**252 - 3): 252 squarings and 11 products; a step for every 10 of them."""
    z2 = z * z % _P
    z9 = z2 * z2 % _P
    z9 = z9 * z9 * z % _P
    z11 = z9 * z2 % _P
    ones5 = z11 * z11 * z9 % _P  # z ** (2**5 - 1), and so on: the number of ones in the exponent
    ones10 = (yield from _square(ones5, 5)) * ones5 % _P
    ones20 = (yield from _square(ones10, 10)) * ones10 % _P
    ones40 = (yield from _square(ones20, 20)) * ones20 % _P
    ones50 = (yield from _square(ones40, 10)) * ones10 % _P
    ones100 = (yield from _square(ones50, 50)) * ones50 % _P
    ones200 = (yield from _square(ones100, 100)) * ones100 % _P
    ones250 = (yield from _square(ones200, 50)) * ones50 % _P
    return ones250 * ones250 * ones250 % _P * ones250 % _P * z % _P


def _square(z, times):
    for index in range(times):
        if index % 10 == 0:
            yield
        z = z * z % _P
    return z


def _encode(point):
    """The 32 bytes of a point (X, Y, Z) (section 5.1.2)."""
    x, y, z = point
    power = yield from _power(z)
    power = power * power % _P
    power = power * power % _P
    inverse = power * power * z % _P * z % _P * z % _P  # 8 * (2**252 - 3) + 3 = p - 2
    x = x * inverse % _P
    y = y * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _is_small(point):
    """True for a point that 8 makes the neutral one."""
    x, y = point
    z = 1
    for _ in range(3):
        x, y, z, _, _ = _double(x, y, z)
    return x == 0 and y == z


def _multiply(s, k, other):
    """s * base + k * other, as (X, Y, Z): both at once, a step for each bit from the top."""
    base, other = _cached(_BASE_X, _BASE_Y, 1), _cached(other[0], other[1], 1)
    both = _cached(*_add(_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P, other))
    choices = (None, base, other, both)
    x, y, z = 0, 1, 1
    for index in range(252, -1, -1):
        x, y, z, e, h = _double(x, y, z)
        chosen = choices[(s >> index & 1) | (k >> index & 1) << 1]
        if chosen is not None:
            x, y, z = _add(x, y, z, e * h % _P, chosen)
        yield
    return x, y, z


def _double(x, y, z):
    """Twice (X, Y, Z), and the two factors of its T = XY/Z.

    Hisil, Wong, Carter, Dawson 2008, dbl-2008-hwcd with a = -1.
    """
    a = x * x
    b = y * y
    c = 2 * z * z
    h = a + b
    e = (h - (x + y) * (x + y)) % _P
    g = (a - b) % _P
    f = (c + g) % _P
    return e * f % _P, g * h % _P, f * g % _P, e, h


def _cached(x, y, z):
    """A point (X, Y, Z) as `_add` takes it: Y - X, Y + X, 2Z, 2dT, all of them times Z.

    T is X * Y / Z: the factor spares the division, and only the ratios count.
    """
    return (y - x) * z % _P, (y + x) * z % _P, 2 * z * z % _P, _D2 * (x * y % _P) % _P


def _add(x, y, z, t, cached):
    """(X, Y, Z) of the sum of a point with its T, and of a cached one.

    Hisil, Wong, Carter, Dawson 2008, add-2008-hwcd-3.
    """
    a = (y - x) * cached[0]
    b = (y + x) * cached[1]
    c = t * cached[3]
    d = z * cached[2]
    e = b - a
    h = b + a
    f = (d - c) % _P
    g = (d + c) % _P
    e %= _P
    return e * f % _P, g * h % _P, f * g % _P
