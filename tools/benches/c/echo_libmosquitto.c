/* A peer: echo every message of one topic to another, with libmosquitto in its plain use.
 *
 *   echo_libmosquitto HOST PORT CALL_TOPIC REPLY_TOPIC [QOS]
 *
 * The library's own loop, a publish from the message callback, and TCP_NODELAY through the option
 * that the library has for it: without that it waits for Nagle, which would be unfair to it.
 */
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>

struct topics {
    const char *call, *reply;
    int qos;
};

static void on_connect(struct mosquitto *client, void *topics, int code)
{
    const struct topics *t = topics;
    if (code == 0)
        mosquitto_subscribe(client, NULL, t->call, t->qos);
}

static void on_message(struct mosquitto *client, void *topics, const struct mosquitto_message *m)
{
    const struct topics *t = topics;
    mosquitto_publish(client, NULL, t->reply, m->payloadlen, m->payload, t->qos, false);
}

static int print_version(void)
{
    int major, minor, revision;
    mosquitto_lib_version(&major, &minor, &revision);
    printf("%d.%d.%d\n", major, minor, revision);
    return 0;
}

int main(int argc, char **argv)
{
    mosquitto_lib_init();
    if (argc == 1)
        return print_version();
    if (argc != 5 && argc != 6)
        return 2;
    struct topics topics = {argv[3], argv[4], argc == 6 ? atoi(argv[5]) : 1};
    struct mosquitto *client = mosquitto_new(NULL, true, &topics);
    if (!client)
        return 1;
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_message_callback_set(client, on_message);
    if (mosquitto_connect(client, argv[1], atoi(argv[2]), 60) != MOSQ_ERR_SUCCESS)
        return 1;
    return mosquitto_loop_forever(client, -1, 1) == MOSQ_ERR_SUCCESS ? 0 : 1;
}
