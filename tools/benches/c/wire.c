/* See wire.h. Section numbers are those of the MQTT 3.1.1 specification. */
#include "wire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void set_option(int fd, int level, int option, const void *value, socklen_t size)
{
    if (setsockopt(fd, level, option, value, size) != 0)
        die("setsockopt %d: %s", option, strerror(errno));
}

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error)
        die("%s:%s: %s", host, port, gai_strerror(error));
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) != 0)
        die("connect to %s:%s: %s", host, port, strerror(errno));
    freeaddrinfo(found);
    return fd;
}

static void put(struct wire *w, const void *data, size_t len)
{
    if (len > WIRE_BUFFER - w->out_end)
        die("more than %d bytes queued", WIRE_BUFFER);
    memcpy(w->out + w->out_end, data, len);
    w->out_end += len;
}

static void put_number(struct wire *w, unsigned value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    put(w, bytes, 2);
}

static void put_string(struct wire *w, const char *text)
{
    put_number(w, (unsigned)strlen(text));
    put(w, text, strlen(text));
}

/* The fixed header: type and flags, then the remaining length, 7 bits to a byte (2.2.3). */
static void put_header(struct wire *w, uint8_t first, size_t remaining)
{
    put(w, &first, 1);
    do {
        uint8_t byte = remaining & 0x7f;
        remaining >>= 7;
        if (remaining)
            byte |= 0x80;
        put(w, &byte, 1);
    } while (remaining);
}

void wire_flush(struct wire *w)
{
    size_t sent = 0;
    while (sent < w->out_end) {
        ssize_t n = send(w->fd, w->out + sent, w->out_end - sent, MSG_NOSIGNAL);
        if (n < 0)
            die("send: %s", strerror(errno));
        sent += (size_t)n;
    }
    w->bytes_out += sent;
    w->out_end = 0;
}

int wire_receive(struct wire *w)
{
    memmove(w->in, w->in + w->in_start, w->in_end - w->in_start);
    w->in_end -= w->in_start;
    w->in_start = 0;
    ssize_t n = recv(w->fd, w->in + w->in_end, WIRE_BUFFER - w->in_end, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n <= 0)
        die("the broker closed the connection%s%s", n ? ": " : "", n ? strerror(errno) : "");
    if (w->quickack)
        set_option(w->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
    w->bytes_in += (uint64_t)n;
    w->in_end += (size_t)n;
    return 1;
}

/* The length of header and body of the packet at `data`, or 0 when that is not known yet. */
static size_t measure(const uint8_t *data, size_t len, size_t *header)
{
    size_t remaining = 0;
    for (size_t i = 1; i < len && i <= 4; i++) {
        remaining |= (size_t)(data[i] & 0x7f) << (7 * (i - 1));
        if (!(data[i] & 0x80)) {
            *header = i + 1;
            if (*header + remaining > WIRE_BUFFER)
                die("a packet of %zu bytes arrived", remaining);
            return *header + remaining;
        }
    }
    return 0;
}

static uint16_t number_at(const uint8_t *data)
{
    return (uint16_t)(data[0] << 8 | data[1]);
}

static void parse(struct packet *p, const uint8_t *data, size_t len, size_t header)
{
    *p = (struct packet){.type = data[0] >> 4, .qos = (data[0] >> 1) & 3};
    const uint8_t *at = data + header, *end = data + len;
    if (p->type == PUBLISH) {
        at += 2 + number_at(at);
        if (p->qos) {
            p->id = number_at(at);
            at += 2;
        }
        p->payload = at;
        p->payload_len = (size_t)(end - at);
    } else if (end - at >= 2) {
        p->id = number_at(at);
        p->payload = at + 2;
        p->payload_len = (size_t)(end - at - 2);
    }
}

int wire_next(struct wire *w, struct packet *p)
{
    const uint8_t *data = w->in + w->in_start;
    size_t have = w->in_end - w->in_start, header = 0;
    size_t len = measure(data, have, &header);
    if (len == 0 || len > have)
        return 0;
    parse(p, data, len, header);
    w->in_start += len;
    return 1;
}

/* Read until the one packet that answers a CONNECT or a SUBSCRIBE. */
static void await(struct wire *w, int type, struct packet *p)
{
    while (!wire_next(w, p))
        if (!wire_receive(w))
            die("the broker is silent (waiting for packet type %d)", type);
    if (p->type != type)
        die("the broker sent packet type %d instead of %d", p->type, type);
}

void wire_open(struct wire *w, const char *host, const char *port, const char *client,
               int timeout_ms)
{
    struct timeval timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    struct packet p;
    memset(w, 0, offsetof(struct wire, in));
    w->fd = connect_to(host, port);
    set_option(w->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    set_option(w->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    put_header(w, 0x10, 10 + 2 + strlen(client));
    put_string(w, "MQTT");
    put(w, "\x04\x02\x00\x00", 4); /* level 4, clean session, no keep-alive (3.1.2) */
    put_string(w, client);
    wire_flush(w);
    await(w, 2, &p);
    if (p.id != 0) /* flags and return code (3.2.2) where a packet id would be */
        die("the broker refused the connection with code %d", p.id & 0xff);
}

void wire_subscribe(struct wire *w, const char *topic, int qos)
{
    struct packet p;
    put_header(w, 0x82, 2 + 2 + strlen(topic) + 1);
    put_number(w, 1);
    put_string(w, topic);
    put(w, &(uint8_t){(uint8_t)qos}, 1);
    wire_flush(w);
    await(w, SUBACK, &p);
    if (p.payload_len != 1 || p.payload[0] > 2)
        die("the broker refused the subscription to %s", topic);
}

void wire_publish(struct wire *w, const char *topic, const char *payload, size_t len, int qos,
                  uint16_t id)
{
    put_header(w, (uint8_t)(0x30 | qos << 1), 2 + strlen(topic) + (qos ? 2 : 0) + len);
    put_string(w, topic);
    if (qos)
        put_number(w, id);
    put(w, payload, len);
}

void wire_ack(struct wire *w, int type, uint16_t id)
{
    put_header(w, (uint8_t)(type << 4 | (type == PUBREL ? 2 : 0)), 2); /* 3.6.1 */
    put_number(w, id);
}
