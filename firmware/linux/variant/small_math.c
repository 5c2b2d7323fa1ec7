// Parts of the C library's mathematics in a smaller form.
//
// exp, log and pow are without the C library's tables, which are 11,000 bytes of the armhf file for the
// last bit of each result. Here exp and log are within 2 units of it, pow with a whole exponent (by
// which numbers are read and written) within 10, with any other within 1e-13 of the result.

#include <math.h>

#define INFINITE HUGE_VAL
#define NO_NUMBER ((double)NAN)

#define LN2 0.693147180559945309417
#define LN2_HIGH 0.693147180369123816490 // its first 33 bits, so that a whole multiple is exact
#define LN2_LOW 1.90821492927058770002e-10
#define MOST_WHOLE 1100.0 // beyond it every power of 2, and what is further from 1, is 0 or infinite

double exp(double x) {
    if (x != x || x > 709.8) {
        return x != x ? x : INFINITE;
    }
    if (x < -745.2) {
        return 0;
    }
    double count = nearbyint(x / LN2);
    double rest = x - count * LN2_HIGH - count * LN2_LOW;
    double sum = 1;
    for (int i = 14; i > 0; i--) {
        sum = sum * rest / i + 1;
    }
    return scalbn(sum, (int)count);
}

double log(double x) {
    if (x != x || x <= 0 || x == INFINITE) {
        return x == 0 ? -INFINITE : x < 0 ? NO_NUMBER : x;
    }
    int count;
    double part = frexp(x, &count);
    if (part < 0.70710678118654752) {
        part *= 2;
        count--;
    }
    // ln(1 + f) = 2 artanh(s), s = f / (2 + f), and 2 s = f - s f
    double f = part - 1, s = f / (2 + f), square = s * s, sum = 0;
    for (int i = 21; i > 1; i -= 2) {
        sum = sum * square + 1.0 / i;
    }
    return count * LN2_HIGH + (f - (s * (f - 2 * square * sum) - count * LN2_LOW));
}

static double whole_power(double x, unsigned count) {
    double power = 1;
    for (; count != 0; count >>= 1) {
        power *= count & 1 ? x : 1;
        x *= x;
    }
    return power;
}

double pow(double x, double y) {
    if (y == 0 || x == 1) {
        return 1;
    }
    if (x != x || y != y) {
        return x + y;
    }
    double size = fabs(x), most = fabs(y);
    int is_whole = y == trunc(y);
    double sign = x < 0 && is_whole && fmod(most, 2) != 0 ? -1 : 1;
    if (x < 0 && !is_whole && size != INFINITE) {
        return NO_NUMBER;
    }
    if (size == 0 || size == INFINITE || most == INFINITE) {
        if (size == 1) {
            return 1;
        }
        int is_minus = signbit(x) && is_whole && fmod(most, 2) == 1;
        double limit = (size > 1) == (y > 0) ? INFINITE : 0;
        return is_minus ? -limit : limit;
    }
    if (is_whole && most <= MOST_WHOLE) {
        unsigned count = (unsigned)most, half = count / 2;
        if (y > 0) {
            return sign * whole_power(size, count);
        }
        return sign / whole_power(size, half) / whole_power(size, count - half);
    }
    return sign * exp(y * log(size));
}

#define HALF_PI_HIGH 1.57079632673412561417 // its first 33 bits, so that a whole multiple is exact
#define HALF_PI_NEXT 6.07710050630396597660e-11 // 33 more
#define HALF_PI_LOW 2.02226624879595063154e-21
#define MOST_TURNS 1048576.0 // quarters: as many bits as the parts above leave free

// What sine, cosine and tangent take off an angle: quarter turns; returns how many. 2,400: the C
// library is exact for angles of millions of turns too; here their whole turns go by fmod.
int __rem_pio2(double x, double *rest);
int __rem_pio2(double x, double *rest) {
    if (fabs(x) > MOST_TURNS) {
        x = fmod(x, 4 * (HALF_PI_HIGH + HALF_PI_NEXT));
    }
    double count = nearbyint(x / (HALF_PI_HIGH + HALF_PI_NEXT));
    double high = x - count * HALF_PI_HIGH, next = count * HALF_PI_NEXT;
    double part = high - next;
    double low = (high - part - next) - count * HALF_PI_LOW;
    rest[0] = part + low;
    rest[1] = part - rest[0] + low;
    return (int)count;
}

// 800
double asin(double x) {
    return atan2(x, sqrt((1 - x) * (1 + x)));
}

double acos(double x) {
    return atan2(sqrt((1 - x) * (1 + x)), x);
}
