/* The MQTT 3.1.1 of the load driver: packets over one raw socket, without a library.
 *
 * The one rule: cheap and predictable, so that the driver does not hide the subject: everything
 * queued leaves in one write, TCP_NODELAY is on, a read is one system call.
 * It fails by ending the process with a message: a measurement that went wrong has no figure.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

enum { PUBLISH = 3, PUBACK = 4, PUBREC = 5, PUBREL = 6, PUBCOMP = 7, SUBACK = 9 };
enum { WIRE_BUFFER = 1 << 18 };

struct wire {
    int fd;
    int quickack; /* acknowledge every segment at once, against a sender that uses Nagle */
    uint64_t bytes_in, bytes_out;
    size_t in_start, in_end, out_end;
    uint8_t in[WIRE_BUFFER], out[WIRE_BUFFER];
};

/* A packet as it lies in the buffer: valid until the next wire_read. */
struct packet {
    int type, qos;
    uint16_t id; /* of a PUBLISH above QoS 0, an acknowledgement, a SUBACK */
    const uint8_t *payload;
    size_t payload_len;
};

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Connect, say CONNECT with a clean session, wait for CONNACK. A read longer than timeout_ms
 * without a byte counts as silence from then on. */
void wire_open(struct wire *w, const char *host, const char *port, const char *client,
               int timeout_ms);

/* Subscribe and wait for SUBACK. */
void wire_subscribe(struct wire *w, const char *topic, int qos);

/* Queue a PUBLISH, an acknowledgement (PUBACK to PUBCOMP); wire_flush sends what is queued. */
void wire_publish(struct wire *w, const char *topic, const char *payload, size_t len, int qos,
                  uint16_t id);
void wire_ack(struct wire *w, int type, uint16_t id);
void wire_flush(struct wire *w);

/* Take the next whole packet out of the buffer: 1, or 0 when more has to be received first. */
int wire_next(struct wire *w, struct packet *p);

/* Receive once: 1, or 0 after timeout_ms of silence. */
int wire_receive(struct wire *w);

#endif
