/* LINK: @tests/support.link */
/* Everything the runtime asks for is refused once: every system call and every allocation in a scenario that uses all of
 * it, one after the other. Nothing hangs, leaks or crashes, and whoever can be told is told. */
#include "support.h"

#include "timer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the scenario: a server and a client in one executor --- */

/* What happened, for the test to look at. Errors are -errno, or 0. */
struct outcome {
    int init;
    int listener, port;
    int spawn_server, block_on_client;
    int server, client; /* the first error that the task met */
    int timeout;        /* of a read that nothing comes for */
    bool echoed;
};

/* Accepts one connection, sends back what it reads until the end, and closes it. If it cannot accept, it closes the
 * listener, so that the client does not wait for it. */
struct server {
    struct future base;
    struct socket *listener;
    struct outcome *outcome;
    struct socket_accept accept;
    struct socket connection;
    struct socket_read read;
    struct socket_write write;
    char bytes[16];
    enum { SERVER_START, SERVER_ACCEPTING, SERVER_READING, SERVER_WRITING } state;
};

static void server_read(struct server *self)
{
    self->read = socket_read(&self->connection, self->bytes, sizeof self->bytes);
    self->state = SERVER_READING;
}

static enum poll server_ends(struct server *self, int error)
{
    int close_error = socket_close(&self->connection);

    self->outcome->server = error ? error : close_error;
    self->state = SERVER_START;
    return POLL_READY;
}

/* How far a poll came: MORE says that the next state can be tried at once. */
enum progress { MORE, WAITS, ENDED };

static enum progress server_accepts(struct server *self, struct context *cx)
{
    if (future_poll(&self->accept.base, cx) == POLL_PENDING)
        return WAITS;
    if (self->accept.output < 0) {
        self->outcome->server = self->accept.output;
        socket_close(self->listener);
        future_drop(&self->accept.base);
        self->state = SERVER_START;
        return ENDED;
    }
    self->connection = socket_from_fd(self->accept.output);
    self->accept.output = -1;
    future_drop(&self->accept.base);
    server_read(self);
    return MORE;
}

static enum progress server_reads(struct server *self, struct context *cx)
{
    if (future_poll(&self->read.base, cx) == POLL_PENDING)
        return WAITS;
    future_drop(&self->read.base);
    if (self->read.output <= 0) {
        server_ends(self, (int)self->read.output);
        return ENDED;
    }
    self->write = socket_write(&self->connection, self->bytes, (size_t)self->read.output);
    self->state = SERVER_WRITING;
    return MORE;
}

static enum progress server_writes(struct server *self, struct context *cx)
{
    if (future_poll(&self->write.base, cx) == POLL_PENDING)
        return WAITS;
    future_drop(&self->write.base);
    if (self->write.output < 0) {
        server_ends(self, (int)self->write.output);
        return ENDED;
    }
    server_read(self);
    return MORE;
}

static enum progress server_goes_on(struct server *self, struct context *cx)
{
    switch (self->state) {
    case SERVER_START:
        self->accept = socket_accept(self->listener);
        self->state = SERVER_ACCEPTING;
        return MORE;
    case SERVER_ACCEPTING:
        return server_accepts(self, cx);
    case SERVER_READING:
        return server_reads(self, cx);
    case SERVER_WRITING:
        return server_writes(self, cx);
    }
    __builtin_unreachable();
}

static enum poll server_poll(struct future *f, struct context *cx)
{
    struct server *self = (struct server *)f;
    enum progress progress;

    while ((progress = server_goes_on(self, cx)) == MORE)
        ;
    return progress == ENDED ? POLL_READY : POLL_PENDING;
}

static void server_drop(struct future *f)
{
    struct server *self = (struct server *)f;

    if (self->state == SERVER_ACCEPTING)
        future_drop(&self->accept.base);
    if (self->state == SERVER_READING)
        future_drop(&self->read.base);
    if (self->state == SERVER_WRITING)
        future_drop(&self->write.base);
    if (self->state == SERVER_READING || self->state == SERVER_WRITING)
        socket_close(&self->connection);
}

FUTURE_TYPE(server, server_poll, server_drop);

/* Connects, sends five bytes, reads them back one by one, waits in vain for a sixth, and shuts down. */
struct client {
    struct future base;
    uint16_t port;
    struct outcome *outcome;
    struct socket socket;
    struct socket_connect connect;
    struct socket_write write;
    struct socket_read read;
    struct timeout timeout;
    char bytes[6];
    int count;
    enum { CLIENT_START, CLIENT_CONNECTING, CLIENT_WRITING, CLIENT_READING } state;
};

static enum progress client_ends(struct client *self, int error)
{
    if (!error)
        error = socket_shutdown(&self->socket);
    int close_error = socket_close(&self->socket);
    self->outcome->client = error ? error : close_error;
    self->state = CLIENT_START;
    return ENDED;
}

static void client_read(struct client *self)
{
    self->read = socket_read(&self->socket, &self->bytes[self->count], 1);
    self->timeout = timeout_after(self->count < 5 ? MILLISECONDS(20000) : MILLISECONDS(1), &self->read.base);
    self->state = CLIENT_READING;
}

static enum progress client_connects(struct client *self, struct context *cx)
{
    if (future_poll(&self->connect.base, cx) == POLL_PENDING)
        return WAITS;
    future_drop(&self->connect.base);
    if (self->connect.output < 0) {
        self->outcome->client = self->connect.output;
        self->state = CLIENT_START;
        return ENDED;
    }
    self->write = socket_write(&self->socket, "hello", 5);
    self->state = CLIENT_WRITING;
    return MORE;
}

static enum progress client_writes(struct client *self, struct context *cx)
{
    if (future_poll(&self->write.base, cx) == POLL_PENDING)
        return WAITS;
    future_drop(&self->write.base);
    if (self->write.output < 0)
        return client_ends(self, (int)self->write.output);
    client_read(self);
    return MORE;
}

static enum progress client_reads(struct client *self, struct context *cx)
{
    if (future_poll(&self->timeout.base, cx) == POLL_PENDING)
        return WAITS;
    future_drop(&self->timeout.base);
    if (self->timeout.output < 0) {
        self->outcome->timeout = self->timeout.output;
        self->outcome->echoed = self->count == 5 && memcmp(self->bytes, "hello", 5) == 0;
        return client_ends(self, 0);
    }
    if (self->read.output <= 0)
        return client_ends(self, self->read.output < 0 ? (int)self->read.output : -ECONNRESET);
    self->count++;
    client_read(self);
    return MORE;
}

static enum progress client_goes_on(struct client *self, struct context *cx)
{
    switch (self->state) {
    case CLIENT_START:
        self->connect = socket_connect(&self->socket, self->port);
        self->state = CLIENT_CONNECTING;
        return MORE;
    case CLIENT_CONNECTING:
        return client_connects(self, cx);
    case CLIENT_WRITING:
        return client_writes(self, cx);
    case CLIENT_READING:
        return client_reads(self, cx);
    }
    __builtin_unreachable();
}

static enum poll client_poll(struct future *f, struct context *cx)
{
    struct client *self = (struct client *)f;
    enum progress progress;

    while ((progress = client_goes_on(self, cx)) == MORE)
        ;
    return progress == ENDED ? POLL_READY : POLL_PENDING;
}

static void client_drop(struct future *f)
{
    struct client *self = (struct client *)f;

    if (self->state == CLIENT_CONNECTING)
        future_drop(&self->connect.base);
    if (self->state == CLIENT_WRITING)
        future_drop(&self->write.base);
    if (self->state == CLIENT_READING)
        future_drop(&self->timeout.base);
    if (self->state == CLIENT_WRITING || self->state == CLIENT_READING)
        socket_close(&self->socket);
}

FUTURE_TYPE(client, client_poll, client_drop);

static void run_tasks(struct executor *ex, struct socket *listener, struct outcome *outcome)
{
    struct server server = {.listener = listener, .outcome = outcome};
    struct client client = {.port = (uint16_t)outcome->port, .outcome = outcome};

    future_init(&server.base, &server_type);
    future_init(&client.base, &client_type);
    outcome->spawn_server = task_spawn(ex, &server, NULL);
    if (outcome->spawn_server) {
        future_drop(&server.base);
        socket_close(listener);
    }
    outcome->block_on_client = executor_block_on(ex, &client);
    if (!outcome->block_on_client && !outcome->client)
        executor_run(ex); /* the server comes to its end too; else it is aborted where it is */
    future_drop(&client.base);
}

static struct outcome run_scenario(void)
{
    struct outcome outcome = {0};
    struct executor ex;
    struct socket listener;

    outcome.init = executor_init(&ex);
    if (outcome.init)
        return outcome;
    outcome.listener = listener_open(&listener, 0, 8);
    if (!outcome.listener) {
        outcome.port = listener_port(&listener);
        if (outcome.port > 0)
            run_tasks(&ex, &listener, &outcome);
    }
    executor_destroy(&ex);
    if (!outcome.listener)
        socket_close(&listener);
    return outcome;
}

static bool went_well(const struct outcome *o)
{
    return !o->init && !o->listener && o->port > 0 && !o->spawn_server && !o->block_on_client && !o->server &&
           !o->client && o->timeout == -ETIMEDOUT && o->echoed;
}

/* What the caller was told. */
static bool somebody_was_told(const struct outcome *o)
{
    return o->init || o->listener || o->port < 0 || o->spawn_server || o->block_on_client || o->server || o->client;
}

static void test_the_scenario_goes_well(void **state)
{
    struct outcome outcome = run_scenario();

    (void)state;
    assert_true(went_well(&outcome));
    for (int call = 0; call < CALLS; call++) /* and leaves nothing out; the nudge has tests of its own */
        if (call != CALL_WRITE)
            assert_in_range(calls_made(call), 1, 1000);
}

/* Which failures have nobody who would have to be told: a wait is simply repeated, a registration that is to end ends
 * with its descriptor, and the descriptors of an executor that is destroyed are closed all the same. */
static bool may_pass_unnoticed(enum call call)
{
    return call == CALL_EPOLL_WAIT || call == CALL_EPOLL_PWAIT2 || call == CALL_EPOLL_CTL || call == CALL_CLOSE;
}

static void test_each_call_fails_in_turn(void **state)
{
    unsigned n = 1, noticed[CALLS] = {0};

    (void)state;
    for (;; n++) {
        int descriptors = descriptors_open(), blocks = blocks_alive();
        nth_call_fails(n);
        struct outcome outcome = run_scenario();
        enum call call = call_failed();
        if (descriptors_open() != descriptors || blocks_alive() != blocks)
            fail_msg("%s, call %u, fails: descriptors or memory are left", call_name(call), n);
        if (call == CALLS)
            break;
        if (!somebody_was_told(&outcome) && !may_pass_unnoticed(call))
            fail_msg("%s, call %u, fails, and nobody is told", call_name(call), n);
        if (!somebody_was_told(&outcome) && !went_well(&outcome))
            fail_msg("%s, call %u, fails, nobody is told, and yet the result is another", call_name(call), n);
        noticed[call] += somebody_was_told(&outcome);
    }
    assert_in_range(n, 40, 1000);
    assert_in_range(noticed[CALL_EPOLL_CTL], 1, 100); /* most registrations do have somebody */
    assert_in_range(noticed[CALL_CLOSE], 2, 100);
}

/* From some moment on nothing works any more. */
static void fail_from(unsigned skip, enum call call, int error)
{
    call_fails(call, skip, ~0u, error);
}

static void test_a_call_fails_for_ever(void **state)
{
    static const struct {
        enum call call;
        int error;
    } cases[] = {{CALL_ACCEPT, EMFILE},      {CALL_ACCEPT, EPERM},      {CALL_RECV, ECONNRESET}, {CALL_SEND, EPIPE},
                 {CALL_EPOLL_CTL, ENOSPC},   {CALL_MALLOC, ENOMEM},     {CALL_REALLOC, ENOMEM},  {CALL_SOCKET, ENFILE},
                 {CALL_CONNECT, ENETDOWN},   {CALL_SHUTDOWN, ENOTCONN}, {CALL_GETSOCKOPT, EIO},  {CALL_CLOSE, EINTR},
                 {CALL_EPOLL_PWAIT2, ENOSYS}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned skip = 0; skip < 6; skip++) {
            int descriptors = descriptors_open(), blocks = blocks_alive();
            fail_from(skip, cases[i].call, cases[i].error);
            run_scenario();
            call_fails(cases[i].call, 0, 0, 0);
            if (descriptors_open() != descriptors || blocks_alive() != blocks)
                fail_msg("%s fails after %u: descriptors or memory are left", call_name(cases[i].call), skip);
        }
}

/* One byte a call, and every third call interrupted. */
static void test_short_and_interrupted_calls(void **state)
{
    (void)state;
    for (unsigned skip = 0; skip < 3; skip++) {
        calls_move_at_most(1);
        call_fails(CALL_RECV, skip, 2, EINTR);
        call_fails(CALL_SEND, skip, 2, EINTR);
        call_fails(CALL_CONNECT, 0, 1, EINTR);
        call_fails(CALL_ACCEPT, 0, 1, EINTR);
        call_fails(CALL_EPOLL_WAIT, skip, 2, EINTR);
        call_fails(CALL_EPOLL_PWAIT2, skip, 2, EINTR);
        struct outcome outcome = run_scenario();
        assert_true(went_well(&outcome));
    }
}

/* Two failures: the second while the first is being cleaned up. */
static void test_a_second_call_fails(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 200; n++) {
        int descriptors = descriptors_open(), blocks = blocks_alive();
        nth_call_fails(n);
        call_fails(CALL_CLOSE, 0, 100, EIO);
        run_scenario();
        call_fails(CALL_CLOSE, 0, 0, 0);
        if (descriptors_open() != descriptors || blocks_alive() != blocks)
            fail_msg("%s, call %u, fails: descriptors or memory are left", call_name(call_failed()), n);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_the_scenario_goes_well),      TEST(test_each_call_fails_in_turn), TEST(test_a_call_fails_for_ever),
        TEST(test_short_and_interrupted_calls), TEST(test_a_second_call_fails),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
