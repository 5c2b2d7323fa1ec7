/* The load driver of the round-trip benches: requests out, replies in, latencies measured.
 *
 *   driver HOST PORT CALL_TOPIC REPLY_TOPIC EXPECT METHOD INFLIGHT COUNT SECONDS TIMEOUT_MS QUICKACK
 *          [PARAMS [QOS SIZE]]
 *
 * Sends the same JSON request for METHOD to every subject at QoS 1, each with an id of its own, keeps INFLIGHT
 * of them unanswered, acknowledges the replies, and stops sending after COUNT requests or SECONDS.
 * With SIZE it sends so many bytes in place of a request, at least 20, and at QOS, which is 1 else.
 * EXPECT says what an answer is: `echo` (the request's own bytes) or `result` (a JSON response).
 *
 * The one rule: every reply must be the answer to a request of this run, and each request gets
 * exactly one; anything else ends the run without a figure. Replies to an earlier run's requests
 * are counted as strays. Prints one JSON object.
 */
#include "wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_REQUESTS = 1000000, REQUEST_SIZE = 2048, LEAST_SIZE = 20 };

struct request {
    uint64_t sent_ns, latency_ns; /* latency 0: not answered yet */
};

struct run {
    struct wire wire;
    const char *call, *reply, *method, *params;
    int echo, qos;
    uint32_t inflight, count, size; /* size 0: requests */
    uint64_t stop_ns;
    uint32_t sent, answered, confirmed, strays;
    char nonce[17]; /* the ids of this run, and of no other: 64 random bits, 48 where SIZE is given */
    struct request *requests;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t parse_number(const char *text, uint32_t most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end || end == text || value > most)
        die("%s is not a number up to %" PRIu32, text, most);
    return (uint32_t)value;
}

static void make_nonce(char *nonce)
{
    uint64_t bits = 0;
    FILE *source = fopen("/dev/urandom", "rb");
    if (!source || fread(&bits, sizeof bits, 1, source) != 1)
        die("cannot read /dev/urandom");
    fclose(source);
    snprintf(nonce, 17, "%016" PRIx64, bits);
}

static size_t format_request(const struct run *r, uint32_t number, char *text)
{
    if (r->size) {
        memset(text, 'x', r->size);
        memcpy(text + snprintf(text, REQUEST_SIZE, "%s%08" PRIx32, r->nonce, number), "x", 1);
        return r->size;
    }
    return (size_t)snprintf(text, REQUEST_SIZE,
                            "{\"id\":\"%s%08" PRIx32 "\",\"method\":\"%s\","
                            "\"params\":%s,\"ttl\":60,\"reply\":\"%s\"}",
                            r->nonce, number, r->method, r->params, r->reply);
}

/* Queue as many requests as the window and the end of the run allow. */
static void fill(struct run *r)
{
    char text[REQUEST_SIZE];
    while (r->sent - r->answered < r->inflight && r->sent < r->count) {
        uint64_t now = now_ns();
        if (now >= r->stop_ns) {
            r->count = r->sent;
            return;
        }
        size_t len = format_request(r, r->sent, text);
        wire_publish(&r->wire, r->call, text, len, r->qos, (uint16_t)(r->sent % 65535 + 1));
        if (r->qos == 0)
            r->confirmed++;
        r->requests[r->sent++].sent_ns = now;
    }
}

/* Is this the answer, and not only something with the right id in it? */
static int is_answer(const struct run *r, const struct packet *p, uint32_t number)
{
    char text[REQUEST_SIZE];
    if (r->echo) {
        size_t len = format_request(r, number, text);
        return p->payload_len == len && memcmp(p->payload, text, len) == 0;
    }
    return memmem(p->payload, p->payload_len, "\"result\"", 8) &&
           memmem(p->payload, p->payload_len, "\"device\"", 8) &&
           !memmem(p->payload, p->payload_len, "\"error\"", 7);
}

static void take_reply(struct run *r, const struct packet *p, uint64_t now)
{
    size_t len = strlen(r->nonce);
    const uint8_t *id = memmem(p->payload, p->payload_len, r->nonce, len);
    char digits[9] = "";
    if (!id || id + len + 8 > p->payload + p->payload_len) {
        r->strays++;
        return;
    }
    memcpy(digits, id + len, 8);
    uint32_t number = (uint32_t)strtoul(digits, NULL, 16);
    if (number >= r->sent)
        die("a reply to request %" PRIu32 ", which was never sent", number);
    if (r->requests[number].latency_ns)
        die("a second reply to request %" PRIu32, number);
    if (!is_answer(r, p, number))
        die("the wrong answer: %.*s", (int)p->payload_len, (const char *)p->payload);
    r->requests[number].latency_ns = now - r->requests[number].sent_ns;
    r->answered++;
}

static void handle(struct run *r, const struct packet *p, uint64_t now)
{
    if (p->type == PUBACK || p->type == PUBCOMP) {
        r->confirmed++;
        return;
    }
    if (p->type == PUBREC || p->type == PUBREL) {
        wire_ack(&r->wire, p->type + 1, p->id);
        return;
    }
    if (p->type != PUBLISH)
        die("the broker sent packet type %d", p->type);
    take_reply(r, p, now);
    if (p->qos)
        wire_ack(&r->wire, p->qos == 1 ? PUBACK : PUBREC, p->id);
}

static void drive(struct run *r)
{
    struct packet p;
    for (fill(r); r->answered < r->count || r->confirmed < r->count; fill(r)) {
        wire_flush(&r->wire);
        if (!wire_receive(&r->wire))
            die("no answer: %" PRIu32 " of %" PRIu32 " replies, %" PRIu32 " acknowledgements",
                r->answered, r->sent, r->confirmed);
        uint64_t now = now_ns();
        while (wire_next(&r->wire, &p))
            handle(r, &p, now);
    }
    wire_flush(&r->wire);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = ((const struct request *)a)->latency_ns;
    uint64_t y = ((const struct request *)b)->latency_ns;
    return (x > y) - (x < y);
}

/* The latency that `percent` of the sorted requests do not exceed (nearest rank), in us. */
static double percentile(const struct run *r, unsigned percent)
{
    uint32_t rank = (uint32_t)(((uint64_t)r->count * percent + 99) / 100);
    return (double)r->requests[rank ? rank - 1 : 0].latency_ns / 1000;
}

static void report(struct run *r, double seconds)
{
    qsort(r->requests, r->count, sizeof *r->requests, compare);
    printf("{\"count\": %" PRIu32 ", \"p50_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f, "
           "\"per_second\": %.1f, \"bytes_out\": %" PRIu64 ", \"bytes_in\": %" PRIu64
           ", \"strays\": %" PRIu32 "}\n",
           r->count, percentile(r, 50), percentile(r, 99), percentile(r, 100),
           r->count / seconds, r->wire.bytes_out, r->wire.bytes_in, r->strays);
}

int main(int argc, char **argv)
{
    static struct run r;
    char client[24];
    if (argc != 12 && argc != 13 && argc != 15)
        die("usage: driver HOST PORT CALL REPLY echo|result METHOD INFLIGHT COUNT SECONDS "
            "TIMEOUT_MS QUICKACK [PARAMS [QOS SIZE]]");
    r.call = argv[3];
    r.reply = argv[4];
    r.echo = strcmp(argv[5], "echo") == 0;
    r.method = argv[6];
    r.params = argc > 12 ? argv[12] : "{}";
    r.inflight = parse_number(argv[7], 65535);
    r.count = parse_number(argv[8], MOST_REQUESTS);
    double seconds = atof(argv[9]);
    r.requests = calloc(r.count, sizeof *r.requests);
    if (!r.requests || !r.inflight || !r.count || strlen(r.reply) > 256 || strlen(r.method) > 64 ||
        strlen(r.params) > 128)
        die("INFLIGHT and COUNT are at least 1, a topic has at most 256 characters, a "
            "method 64, params 128");
    make_nonce(r.nonce);
    r.qos = 1;
    if (argc == 15) {
        r.qos = (int)parse_number(argv[13], 2);
        r.size = parse_number(argv[14], REQUEST_SIZE - 1);
        if (r.size && r.size < LEAST_SIZE)
            die("SIZE is 0 or at least %d", LEAST_SIZE);
        if (r.size)
            r.nonce[LEAST_SIZE - 8] = 0;
    }
    snprintf(client, sizeof client, "driver-%s", r.nonce);
    wire_open(&r.wire, argv[1], argv[2], client, (int)parse_number(argv[10], 600000));
    r.wire.quickack = (int)parse_number(argv[11], 1);
    wire_subscribe(&r.wire, r.reply, r.qos);
    r.wire.bytes_in = r.wire.bytes_out = 0;
    uint64_t start = now_ns();
    r.stop_ns = start + (uint64_t)(seconds * 1e9);
    drive(&r);
    report(&r, (double)(now_ns() - start) / 1e9);
    return 0;
}
