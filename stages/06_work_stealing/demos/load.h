/* The clients of echo_server's demonstration: they run on a runtime with one worker, in a process of their own.
 *
 * They come in waves, as no more may wait to be accepted than the listener's backlog, and stay. When all are there,
 * everybody speaks once more. */
#ifndef LOAD_H
#define LOAD_H

#include "all.h"
#include "demo.h"
#include "must.h"
#include "net.h"
#include "runtime.h"
#include "task.h"

#include <errno.h>

enum { LOAD_WAVE = 500, LOAD_MESSAGE = 200 };

struct load {
    uint16_t port;
    int clients;
    struct join_handle *handles; /* of the tasks that run */
    struct socket *sockets;      /* of each client; they stay open from one visit to the next */
    unsigned long right;         /* bytes that came back as they were sent */
    unsigned failed;             /* visits */
    int error;                   /* of one of them, -errno; -EILSEQ: other bytes came back */
};

/* One client says something, and hears what comes back. */
struct visit {
    struct future base;
    struct load *load;     /* input */
    struct socket *socket; /* input */
    bool connects;         /* input: it is the first visit */
    enum { VISIT_CONNECTING, VISIT_WRITING, VISIT_READING } state;
    union {
        struct future future;
        struct socket_connect connect;
        struct socket_write write;
        struct socket_read read;
    } step;
    size_t came;
    char sent[LOAD_MESSAGE], back[LOAD_MESSAGE];
};

static void visit_connect(struct visit *self)
{
    self->step.connect = socket_connect(self->socket, self->load->port);
    self->state = VISIT_CONNECTING;
}

static void visit_write(struct visit *self)
{
    self->step.write = socket_write(self->socket, self->sent, sizeof self->sent);
    self->state = VISIT_WRITING;
}

static void visit_read(struct visit *self)
{
    self->step.read = socket_read(self->socket, self->back + self->came, sizeof self->back - self->came);
    self->state = VISIT_READING;
}

static enum poll visit_ends(struct visit *self, int error)
{
    if (!error && memcmp(self->sent, self->back, sizeof self->sent) != 0)
        error = -EILSEQ;
    if (error) {
        self->load->failed++;
        self->load->error = error;
    } else {
        self->load->right += sizeof self->sent;
    }
    return POLL_READY;
}

static enum poll visit_poll(struct future *f, struct context *cx)
{
    struct visit *self = (struct visit *)f;

    if (f->phase == FUTURE_FRESH)
        self->connects ? visit_connect(self) : visit_write(self);
    for (;;) {
        if (future_poll(&self->step.future, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->step.future);
        switch (self->state) {
        case VISIT_CONNECTING:
            if (self->step.connect.output != 0)
                return visit_ends(self, self->step.connect.output);
            visit_write(self);
            break;
        case VISIT_WRITING:
            if (self->step.write.output < 0)
                return visit_ends(self, (int)self->step.write.output);
            visit_read(self);
            break;
        case VISIT_READING:
            if (self->step.read.output <= 0)
                return visit_ends(self, self->step.read.output ? (int)self->step.read.output : -EPIPE);
            self->came += (size_t)self->step.read.output;
            if (self->came == sizeof self->back)
                return visit_ends(self, 0);
            visit_read(self);
            break;
        }
    }
}

static void visit_drop(struct future *f)
{
    struct visit *self = (struct visit *)f;
    if (f->phase == FUTURE_STARTED)
        future_drop(&self->step.future);
}

FUTURE_TYPE(visit, visit_poll, visit_drop);

/* Each client says something else each time, so that nobody can get another's bytes and not notice. */
static struct visit visit(struct load *load, int client, bool connects)
{
    struct visit self = {.load = load, .socket = &load->sockets[client], .connects = connects};
    unsigned seed = (unsigned)client * 2 + connects;

    for (size_t i = 0; i < sizeof self.sent; i++)
        self.sent[i] = (char)((seed = seed * 1103515245 + 12345) >> 16);
    future_init(&self.base, &visit_type);
    return self;
}

/* Lets the clients from `first` up to `end` pay a visit, all at the same time, and waits until they have. */
static void load_wave(struct load *load, struct runtime *rt, int first, int end, bool connects)
{
    for (int client = first; client < end; client++) {
        struct visit new = visit(load, client, connects);
        must(task_spawn(rt, &new, &load->handles[client - first]), "a client");
    }
    struct all all = all_of(load->handles, (unsigned)(end - first));
    must(runtime_block_on(rt, &all), "the clients");
    future_drop(&all.base);
}

static int load_report(const struct load *load, double milliseconds)
{
    printf("%lu bytes came back as they were sent, in %.0f ms.\n", load->right, milliseconds);
    if (load->failed)
        printf("%u visits failed, one of them with: %s\n", load->failed, strerror(-load->error));
    return load->failed ? 1 : 0;
}

/* Runs all clients, reports, and returns the exit status. */
static int load_run(uint16_t port, int clients)
{
    struct load load = {.port = port, .clients = clients};
    struct runtime rt;
    double began = demo_milliseconds(CLOCK_MONOTONIC);

    load.handles = calloc((size_t)clients, sizeof *load.handles);
    load.sockets = calloc((size_t)clients, sizeof *load.sockets);
    must(load.handles && load.sockets ? 0 : -ENOMEM, "the clients");
    must(runtime_init(&rt, 1), "the clients' runtime");
    for (int first = 0; first < clients; first += LOAD_WAVE)
        load_wave(&load, &rt, first, first + LOAD_WAVE < clients ? first + LOAD_WAVE : clients, true);
    printf("All %d clients are connected. They all speak at once.\n", clients);
    load_wave(&load, &rt, 0, clients, false);
    int status = load_report(&load, demo_milliseconds(CLOCK_MONOTONIC) - began);
    for (int client = 0; client < clients; client++)
        socket_close(&load.sockets[client]);
    runtime_destroy(&rt);
    free(load.handles);
    free(load.sockets);
    return status;
}

#endif
