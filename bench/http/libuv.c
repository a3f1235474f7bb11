/* A server on libuv's loop. */
#include "../subject.h"
#include "answer.h"

#include <stddef.h>
#include <stdlib.h>
#include <uv.h>

enum { REQUEST_ROOM = 4096 };

struct connection {
    uv_tcp_t tcp;
    struct requests requests;
};

static void uv_must(int error, const char *what)
{
    if (error < 0)
        subject_fail(what, -error);
}

/* All connections read into the same buffer: what they read is used up before another one reads. */
static void lend_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    static char room[REQUEST_ROOM];
    (void)handle;
    (void)wanted;
    *buffer = uv_buf_init(room, sizeof room);
}

static void free_connection(uv_handle_t *handle)
{
    free(handle);
}

static void written(uv_write_t *write, int status)
{
    (void)status; /* an error also ends the reading */
    free(write);
}

/* Tries to send at once; only what is left over needs memory and a callback. */
static void send_answer(uv_stream_t *stream)
{
    uv_buf_t whole = uv_buf_init((char *)(uintptr_t)answer(), (unsigned)answer_size());
    int sent = uv_try_write(stream, &whole, 1);

    if (sent == (int)answer_size())
        return;
    size_t skipped = sent > 0 ? (size_t)sent : 0;
    uv_buf_t rest = uv_buf_init(whole.base + skipped, (unsigned)(whole.len - skipped));
    uv_write(subject_alloc(1, sizeof(uv_write_t)), stream, &rest, 1, written);
}

static void has_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = (struct connection *)stream;

    if (count < 0) {
        uv_close((uv_handle_t *)stream, free_connection);
        return;
    }
    for (unsigned due = requests_in(&connection->requests, buffer->base, (size_t)count); due > 0; due--)
        send_answer(stream);
}

static void has_connection(uv_stream_t *listener, int status)
{
    struct connection *connection = subject_alloc(1, sizeof *connection);

    uv_must(status, "accept");
    connection->requests = (struct requests){0};
    uv_must(uv_tcp_init(listener->loop, &connection->tcp), "uv_tcp_init");
    uv_must(uv_accept(listener, (uv_stream_t *)&connection->tcp), "uv_accept");
    uv_must(uv_read_start((uv_stream_t *)&connection->tcp, lend_buffer, has_read), "uv_read_start");
}

static void http(struct work *work)
{
    uv_loop_t loop;
    uv_tcp_t listener;

    (void)work;
    server_begin();
    uv_must(uv_loop_init(&loop), "uv_loop_init");
    uv_must(uv_tcp_init(&loop, &listener), "uv_tcp_init");
    int fd = server_listen(SOCK_NONBLOCK);
    uv_must(uv_tcp_open(&listener, fd), "uv_tcp_open");
    uv_must(uv_listen((uv_stream_t *)&listener, ANSWER_BACKLOG, has_connection), "uv_listen");
    server_announce(server_port(fd));
    uv_run(&loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    static const struct workload workloads[] = {{"http", http}, {NULL, NULL}};
    return subject_main(argc, argv, workloads);
}
