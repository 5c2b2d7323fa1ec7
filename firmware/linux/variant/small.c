// Parts of the C library and of mbedtls in a form that brings less along: the linker takes these,
// and leaves the library's own out. Each names what that saves, in bytes of the armhf file.

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "py/mpconfig.h"
#include "py/mpprint.h"

extern const mp_print_t mp_stderr_print;

// What the port says on stderr goes the interpreter's way. 8,000: the C library's whole printf.
int fprintf(FILE *restrict file, const char *restrict format, ...) {
    (void)file;
    va_list values;
    va_start(values, format);
    int written = mp_vprintf(&mp_stderr_print, format, values);
    va_end(values);
    return written;
}

// Local time is UTC here, as on a board; the agent has zones of its own (schedule/tz.py). 3,100:
// reading $TZ and the system's zone files.
struct tm *localtime(const time_t *at) {
    return gmtime(at);
}

struct tm *localtime_r(const time_t *restrict at, struct tm *restrict out) {
    return gmtime_r(at, out);
}

time_t mktime(struct tm *given) {
    return timegm(given);
}

// For a program that --python cannot open; the agent names errors itself. 2,300
char *strerror(int code) {
    return code == ENOENT ? "no such file" : code == EACCES ? "not permitted" : "cannot be read";
}

// For the addresses of one host, a handful. 1,400
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *)) {
    char *first = base;
    for (size_t at = 1; at < count; at++) {
        char *one = first + at * size;
        for (; one > first && compare(one - size, one) > 0; one -= size) {
            for (size_t i = 0; i < size; i++) {
                char byte = one[i];
                one[i] = one[i - size];
                one[i - size] = byte;
            }
        }
    }
}

// For numbers in /etc/services, of addresses and of --heap: none is negative, none is long. 1,900
unsigned long strtoul(const char *restrict text, char **restrict end, int base) {
    unsigned long number = 0;
    if (text[0] == '0' && (text[1] | 0x20) == 'x' && (base == 0 || base == 16)) {
        text += 2;
        base = 16;
    } else if (base == 0) {
        base = text[0] == '0' ? 8 : 10;
    }
    for (;; text++) {
        int digit = *text <= '9' ? *text - '0' : *text < 'A' ? -1 : (*text | 0x20) - 'a' + 10;
        if (digit < 0 || digit >= base) {
            break;
        }
        int is_too_long = number > ((unsigned long)-1 - digit) / base;
        number = is_too_long ? (unsigned long)-1 : number * base + digit;
    }
    if (end != NULL) {
        *end = (char *)text;
    }
    return number;
}

long strtol(const char *restrict text, char **restrict end, int base) {
    return (long)strtoul(text, end, base);
}

unsigned long long strtoull(const char *restrict text, char **restrict end, int base) {
    return strtoul(text, end, base);
}

// Requests go to the kernel as they are. 700: the C library has those of sound and video cards that
// hold a time in a form for kernels before 5.6.
int ioctl(int fd, int request, ...) {
    va_list values;
    va_start(values, request);
    void *value = va_arg(values, void *);
    va_end(values);
    long result = syscall(SYS_ioctl, fd, request, value);
    return (int)result;
}

// The resolver asks how long a name is, to refuse one that is not text. 900
size_t mbstowcs(wchar_t *restrict out, const char *restrict text, size_t count) {
    (void)out;
    (void)count;
    return strlen(text);
}

// 800: a search that is fast in texts of kilobytes.
char *strstr(const char *text, const char *wanted) {
    size_t length = strlen(wanted);
    for (; *text != 0; text++) {
        if (strncmp(text, wanted, length) == 0) {
            return (char *)text;
        }
    }
    return length == 0 ? (char *)text : NULL;
}

#if MICROPY_PY_SSL

#include "mbedtls/error.h"
#include "mbedtls/ssl.h"
#include "mbedtls/x509_crt.h"

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

typedef struct {
    int code;
    const char *words;
} words_t;

// Why a certificate is refused: the words of mbedtls that agent/mqtt/tls.py looks for.
static const words_t refusals[] = {
    {MBEDTLS_X509_BADCERT_EXPIRED, "certificate has expired"},
    {MBEDTLS_X509_BADCERT_FUTURE, "certificate is valid in the future"},
    {MBEDTLS_X509_BADCERT_CN_MISMATCH, "certificate is for another name"},
    {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "certificate is not signed by a trusted authority"},
    {MBEDTLS_X509_BADCERT_MISSING, "certificate is missing"},
    {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY,
     "certificate has too weak a digest or key"},
};

static size_t put(char *out, size_t size, size_t at, const char *words) {
    while (*words != 0 && at + 1 < size) {
        out[at++] = *words++;
    }
    out[at] = 0;
    return at;
}

// With MBEDTLS_X509_REMOVE_INFO, of which this is a part: 3,600
int mbedtls_x509_crt_verify_info(char *out, size_t size, const char *prefix, uint32_t flags) {
    size_t at = 0;
    for (unsigned i = 0; i < COUNT(refusals); i++) {
        if (flags & refusals[i].code) {
            at = put(out, size, put(out, size, at, prefix), refusals[i].words);
        }
    }
    return at != 0 ? at : put(out, size, put(out, size, 0, prefix), "certificate is refused");
}

static const words_t faults[] = {
    {MBEDTLS_ERR_SSL_CONN_EOF, "EOF: closed by the other side"},
    {MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY, "closed by the other side"},
    {MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, "refused by the other side (fatal alert)"},
    {MBEDTLS_ERR_SSL_INVALID_RECORD, "what comes is no TLS (invalid record)"},
    {MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, "unexpected message"},
    {MBEDTLS_ERR_SSL_INVALID_MAC, "a record was changed on its way (invalid MAC)"},
    {MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE, "handshake failed: nothing in common"},
    {MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, "no common version of TLS"},
    {MBEDTLS_ERR_X509_CERT_VERIFY_FAILED, "certificate was not verified"},
    {MBEDTLS_ERR_SSL_ALLOC_FAILED, "out of memory"},
    {MBEDTLS_ERR_PK_KEY_INVALID_FORMAT, "no key that is known"},
};

// Each fault that a person can do something about in words, the others as mbedtls numbers them:
// 4,000 for the names of all.
void mbedtls_strerror(int code, char *out, size_t size) {
    for (unsigned i = 0; i < COUNT(faults); i++) {
        if (code == faults[i].code) {
            put(out, size, 0, faults[i].words);
            return;
        }
    }
    snprintf(out, size, "mbedtls error -0x%04x", -code);
}

#endif
