/* The HTTP server of the stages: a task accepts, and one task a connection answers. */
#include "host.h"
#include "../http/answer.h"
#include "net.h"
#include "workloads.h"

enum { REQUEST_ROOM = 256 };

struct connection {
    struct future base;
    struct socket socket;
    struct requests requests;
    unsigned due; /* answers to send, before it reads again */
    enum { CONNECTION_READING, CONNECTION_WRITING } state;
    union { /* one at a time */
        struct future future;
        struct socket_read read;
        struct socket_write write;
    } step;
    char buffer[REQUEST_ROOM];
};

/* Answers what is due, or else waits for more requests. */
static void connection_next(struct connection *self)
{
    if (self->due > 0) {
        self->due--;
        self->step.write = socket_write(&self->socket, answer(), answer_size());
        self->state = CONNECTION_WRITING;
    } else {
        self->step.read = socket_read(&self->socket, self->buffer, sizeof self->buffer);
        self->state = CONNECTION_READING;
    }
}

/* Says whether the connection goes on after the step that has just ended. */
static bool connection_goes_on(struct connection *self)
{
    ssize_t count = self->step.read.output;

    if (self->state == CONNECTION_WRITING)
        return self->step.write.output > 0;
    if (count > 0)
        self->due = requests_in(&self->requests, self->buffer, (size_t)count);
    return count > 0;
}

static enum poll connection_poll(struct future *f, struct context *cx)
{
    struct connection *self = (struct connection *)f;

    if (f->phase == FUTURE_FRESH)
        connection_next(self);
    while (future_poll(&self->step.future, cx) == POLL_READY) {
        bool goes_on = connection_goes_on(self);
        future_drop(&self->step.future);
        if (!goes_on) {
            socket_close(&self->socket);
            return POLL_READY;
        }
        connection_next(self);
    }
    return POLL_PENDING;
}

FUTURE_TYPE(connection, connection_poll, NULL);

static void connection_spawn(int fd)
{
    struct connection new = {.socket = socket_from_fd(fd)};
    future_init(&new.base, &connection_type);
    must(task_spawn(runtime_current(), &new, NULL), "task_spawn");
}

struct acceptor {
    struct future base;
    struct socket listener;
    struct socket_accept accept;
};

static enum poll acceptor_poll(struct future *f, struct context *cx)
{
    struct acceptor *self = (struct acceptor *)f;

    if (f->phase == FUTURE_FRESH)
        self->accept = socket_accept(&self->listener);
    while (future_poll(&self->accept.base, cx) == POLL_READY) {
        int fd = self->accept.output;
        must(fd < 0 ? fd : 0, "accept");
        self->accept.output = -1; /* taken: the drop shall not close it */
        future_drop(&self->accept.base);
        connection_spawn(fd);
        self->accept = socket_accept(&self->listener);
    }
    return POLL_PENDING;
}

FUTURE_TYPE(acceptor, acceptor_poll, NULL);

void http(struct work *work)
{
    struct runtime rt;
    struct acceptor acceptor;

    server_begin();
    must(runtime_init(&rt, work->workers), "runtime_init");
    must(listener_open(&acceptor.listener, 0, ANSWER_BACKLOG), "listener_open");
    server_announce(listener_port(&acceptor.listener));
    future_init(&acceptor.base, &acceptor_type);
    must(runtime_block_on(&rt, &acceptor), "block_on");
}
