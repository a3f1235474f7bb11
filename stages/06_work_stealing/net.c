#include "net.h"

#include "executor.h"
#include "sys.h"

#include <errno.h>

/* Waiting is over or was not needed: may the call be tried? If not, *error says why. */
static enum poll wait_for(struct socket *socket, enum direction direction, const struct future *f, struct context *cx,
                          int *error, const struct site *at)
{
    return budget_spend(cx) ? source_poll_ready(&socket->source, direction, f, cx, error, at) : POLL_PENDING;
}

struct socket socket_from_fd(int fd)
{
    struct socket socket;
    source_init(&socket.source, fd);
    return socket;
}

int socket_close_at(struct socket *socket, const struct site *at)
{
    return source_close(&socket->source, at);
}

int socket_shutdown_at(struct socket *socket, const struct site *at)
{
    return sys_shutdown_write(source_fd(&socket->source), at);
}

/* --- listening and accepting --- */

int listener_open_at(struct socket *listener, uint16_t port, int backlog, const struct site *at)
{
    int fd = sys_socket(at);
    if (fd < 0)
        return fd;
    int error = sys_reuse_address(fd, at); /* so that a server which was restarted can have its port again */
    if (!error)
        error = sys_bind_loopback(fd, port, at);
    if (!error)
        error = sys_listen(fd, backlog, at);
    if (error)
        sys_close(fd, at);
    else
        *listener = socket_from_fd(fd);
    return error;
}

int listener_port_at(const struct socket *listener, const struct site *at)
{
    return sys_local_port(source_fd(&listener->source), at);
}

/* Errors that concern one connection, gone before it was accepted, and not the listener: the next one is tried. */
static bool concerns_one_connection(int error)
{
    return error == -ECONNABORTED || error == -EPROTO;
}

static enum poll socket_accept_poll(struct future *f, struct context *cx)
{
    struct socket_accept *self = (struct socket_accept *)f;

    for (;;) {
        if (wait_for(self->listener, SOURCE_READ, f, cx, &self->output, self->at) == POLL_PENDING)
            return POLL_PENDING;
        if (self->output < 0)
            return POLL_READY;
        self->output = sys_accept(source_fd(&self->listener->source), self->at);
        if (self->output == -EAGAIN)
            source_would_block(&self->listener->source, SOURCE_READ);
        else if (self->output != -EINTR && !concerns_one_connection(self->output))
            return POLL_READY;
    }
}

static void socket_accept_drop(struct future *f)
{
    struct socket_accept *self = (struct socket_accept *)f;

    if (f->phase == FUTURE_STARTED)
        source_forget(&self->listener->source, SOURCE_READ, f, self->at);
    else if (f->phase == FUTURE_FINISHED && self->output >= 0)
        sys_close(self->output, self->at);
}

FUTURE_TYPE(socket_accept, socket_accept_poll, socket_accept_drop);

struct socket_accept socket_accept_at(struct socket *listener, const struct site *at)
{
    struct socket_accept self = {.listener = listener, .at = at};
    future_init_at(&self.base, &socket_accept_type, at);
    return self;
}

/* --- connecting --- */

/* Opens the socket and begins to connect; -EINPROGRESS: wait until it is writable. */
static int connect_begin(struct socket_connect *self)
{
    int fd = sys_socket(self->at);
    if (fd < 0)
        return fd;
    *self->socket = socket_from_fd(fd);
    int error = sys_connect_loopback(fd, self->port, self->at);
    if (error == -EINTR) /* it goes on in the background, as after -EINPROGRESS */
        error = -EINPROGRESS;
    if (error == -EINPROGRESS)
        source_would_block(&self->socket->source, SOURCE_WRITE);
    return error;
}

static enum poll connect_ends(struct socket_connect *self, int error)
{
    self->output = error;
    if (error && source_fd(&self->socket->source) >= 0)
        socket_close_at(self->socket, self->at);
    return POLL_READY;
}

static enum poll socket_connect_poll(struct future *f, struct context *cx)
{
    struct socket_connect *self = (struct socket_connect *)f;
    int error;

    if (f->phase == FUTURE_FRESH) {
        *self->socket = socket_from_fd(-1);
        error = connect_begin(self);
        if (error != -EINPROGRESS)
            return connect_ends(self, error);
    }
    if (wait_for(self->socket, SOURCE_WRITE, f, cx, &error, self->at) == POLL_PENDING)
        return POLL_PENDING;
    return connect_ends(self, error ? error : sys_socket_error(source_fd(&self->socket->source), self->at));
}

static void socket_connect_drop(struct future *f)
{
    struct socket_connect *self = (struct socket_connect *)f;

    if (f->phase != FUTURE_STARTED)
        return;
    source_forget(&self->socket->source, SOURCE_WRITE, f, self->at);
    socket_close_at(self->socket, self->at);
}

FUTURE_TYPE(socket_connect, socket_connect_poll, socket_connect_drop);

struct socket_connect socket_connect_at(struct socket *socket, uint16_t port, const struct site *at)
{
    struct socket_connect self = {.socket = socket, .port = port, .at = at};
    future_init_at(&self.base, &socket_connect_type, at);
    return self;
}

/* --- reading --- */

/* What leaves room has taken all there was, or so it is most of the time. */
static enum poll socket_read_ends(struct socket_read *self)
{
    if (self->output > 0 && (size_t)self->output < self->room)
        source_ran_dry(&self->socket->source, SOURCE_READ);
    return POLL_READY;
}

static enum poll socket_read_poll(struct future *f, struct context *cx)
{
    struct socket_read *self = (struct socket_read *)f;
    int error;

    for (;;) {
        if (wait_for(self->socket, SOURCE_READ, f, cx, &error, self->at) == POLL_PENDING)
            return POLL_PENDING;
        self->output = error ? error : sys_recv(source_fd(&self->socket->source), self->buffer, self->room, self->at);
        if (self->output == -EAGAIN)
            source_would_block(&self->socket->source, SOURCE_READ);
        else if (self->output != -EINTR)
            return socket_read_ends(self);
    }
}

static void socket_read_drop(struct future *f)
{
    struct socket_read *self = (struct socket_read *)f;
    if (f->phase == FUTURE_STARTED)
        source_forget(&self->socket->source, SOURCE_READ, f, self->at);
}

FUTURE_TYPE(socket_read, socket_read_poll, socket_read_drop);

struct socket_read socket_read_at(struct socket *socket, void *buffer, size_t room, const struct site *at)
{
    struct socket_read self = {.socket = socket, .buffer = buffer, .room = room, .at = at};
    future_init_at(&self.base, &socket_read_type, at);
    return self;
}

/* --- writing --- */

/* The kernel may take fewer bytes than it is given: the rest is offered again, when there is room for it. */
static void socket_write_goes_on(struct socket_write *self)
{
    self->sent += (size_t)self->output;
    if (self->sent < self->count)
        source_ran_dry(&self->socket->source, SOURCE_WRITE);
}

static enum poll socket_write_poll(struct future *f, struct context *cx)
{
    struct socket_write *self = (struct socket_write *)f;
    int error;

    while (self->sent < self->count) {
        if (wait_for(self->socket, SOURCE_WRITE, f, cx, &error, self->at) == POLL_PENDING)
            return POLL_PENDING;
        self->output = error ? error
                             : sys_send(source_fd(&self->socket->source), self->bytes + self->sent,
                                        self->count - self->sent, self->at);
        if (self->output == -EAGAIN)
            source_would_block(&self->socket->source, SOURCE_WRITE);
        else if (self->output >= 0)
            socket_write_goes_on(self);
        else if (self->output != -EINTR)
            return POLL_READY;
    }
    self->output = (ssize_t)self->count;
    return POLL_READY;
}

static void socket_write_drop(struct future *f)
{
    struct socket_write *self = (struct socket_write *)f;
    if (f->phase == FUTURE_STARTED)
        source_forget(&self->socket->source, SOURCE_WRITE, f, self->at);
}

FUTURE_TYPE(socket_write, socket_write_poll, socket_write_drop);

struct socket_write socket_write_at(struct socket *socket, const void *bytes, size_t count, const struct site *at)
{
    struct socket_write self = {.socket = socket, .bytes = bytes, .count = count, .at = at};
    future_init_at(&self.base, &socket_write_type, at);
    return self;
}
