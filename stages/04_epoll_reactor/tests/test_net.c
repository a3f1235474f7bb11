/* LINK: @tests/support.link */
/* Sockets: each operation succeeds at once, has to wait, is interrupted, fails, is given up. */
#include "support.h"

#include "combine.h"
#include "select.h"
#include "timer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A listener of the test's, and connections to it. */
static struct socket listener;

static void open_listener(void)
{
    assert_int_equal(listener_open(&listener, 0, 16), 0);
}

static uint16_t port(void)
{
    int number = listener_port(&listener);
    assert_in_range(number, 1, 65535);
    return (uint16_t)number;
}

/* Polls and turns until it is ready. */
#define finish(f, probe) finish_at(&(f)->base, probe)
static void finish_at(struct future *f, struct probe *probe)
{
    while (poll_with_at(f, probe, SITE("")) == POLL_PENDING)
        turn(-1);
}

/* Connects a client, whose connection can then be accepted at once. */
static void connect_client(struct socket *client, struct probe *probe)
{
    struct socket_connect connect = socket_connect(client, port());

    finish(&connect, probe);
    assert_int_equal(connect.output, 0);
    future_drop(&connect.base);
    wait_readable(listener.source.fd);
}

/* Takes the connection out of a finished accept. */
static struct socket take(struct socket_accept *accept)
{
    assert_true(accept->output >= 0);
    struct socket socket = socket_from_fd(accept->output);
    accept->output = -1;
    future_drop(&accept->base);
    return socket;
}

/* --- accept --- */

static void body_accept(void *unused)
{
    struct probe probe = {0};
    struct socket_accept accept = socket_accept(&listener);

    (void)unused;
    open_listener();
    struct socket client;
    connect_client(&client, &probe);
    assert_int_equal(poll_with(&accept, &probe), POLL_READY); /* at once */
    struct socket first = take(&accept);

    accept = socket_accept(&listener);
    assert_int_equal(poll_with(&accept, &probe), POLL_PENDING); /* has to wait */
    struct socket other_client;
    connect_client(&other_client, &probe);
    finish(&accept, &probe);
    struct socket second = take(&accept);

    socket_close(&first);
    socket_close(&second);
    socket_close(&client);
    socket_close(&other_client);
    socket_close(&listener);
}

static void test_accept(void **state)
{
    (void)state;
    inside(body_accept, NULL);
}

/* What one event announced is accepted without another. */
static void body_accept_all(void *unused)
{
    enum { CLIENTS = 5 };
    struct probe probe = {0};
    struct socket clients[CLIENTS], servers[CLIENTS];
    struct socket_accept accept = socket_accept(&listener);

    (void)unused;
    open_listener();
    assert_int_equal(poll_with(&accept, &probe), POLL_PENDING);
    for (int i = 0; i < CLIENTS; i++)
        connect_client(&clients[i], &probe);
    finish(&accept, &probe);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(accept.base.phase, FUTURE_FINISHED);
        servers[i] = take(&accept);
        accept = socket_accept(&listener);
        assert_int_equal(poll_with(&accept, &probe), i < CLIENTS - 1 ? POLL_READY : POLL_PENDING);
    }
    future_drop(&accept.base);
    for (int i = 0; i < CLIENTS; i++) {
        socket_close(&clients[i]);
        socket_close(&servers[i]);
    }
    socket_close(&listener);
}

static void test_one_event_announces_many_connections(void **state)
{
    (void)state;
    inside(body_accept_all, NULL);
}

/* The next call succeeds, in the same poll: these are no business of the caller's. */
static void body_accept_again(void *error)
{
    struct probe probe = {0};
    struct socket_accept accept = socket_accept(&listener);

    open_listener();
    struct socket client;
    connect_client(&client, &probe);
    call_fails(CALL_ACCEPT, 0, 3, *(int *)error);
    assert_int_equal(poll_with(&accept, &probe), POLL_READY);
    struct socket server = take(&accept);
    socket_close(&server);
    socket_close(&client);
    socket_close(&listener);
}

static void test_accept_is_tried_again(void **state)
{
    static int errors[] = {EINTR, ECONNABORTED, EPROTO};

    (void)state;
    for (int i = 0; i < 3; i++)
        inside(body_accept_again, &errors[i]);
}

/* The caller is told, and the connection stays: it is accepted once that is possible. */
static void body_accept_later(void *error)
{
    struct probe probe = {0};
    struct socket_accept accept = socket_accept(&listener);

    open_listener();
    struct socket client;
    connect_client(&client, &probe);
    call_fails(CALL_ACCEPT, 0, 1, *(int *)error);
    assert_int_equal(poll_with(&accept, &probe), POLL_READY);
    assert_int_equal(accept.output, -*(int *)error);
    future_drop(&accept.base);
    accept = socket_accept(&listener);
    assert_int_equal(poll_with(&accept, &probe), POLL_READY);
    struct socket server = take(&accept);
    socket_close(&server);
    socket_close(&client);
    socket_close(&listener);
}

static void test_accept_without_a_free_descriptor(void **state)
{
    static int errors[] = {EMFILE, ENFILE, ENOMEM, EPERM};

    (void)state;
    for (int i = 0; i < 4; i++)
        inside(body_accept_later, &errors[i]);
}

static void body_accept_dropped(void *unused)
{
    struct probe probe = {0};
    struct socket_accept fresh = socket_accept(&listener), accept = socket_accept(&listener);

    (void)unused;
    open_listener();
    future_drop(&fresh.base);
    assert_int_equal(poll_with(&accept, &probe), POLL_PENDING);
    future_drop(&accept.base); /* while it waits */
    assert_int_equal(probe.held, 0);

    struct socket client;
    connect_client(&client, &probe);
    int before = descriptors_open();
    turn(0);
    accept = socket_accept(&listener);
    assert_int_equal(poll_with(&accept, &probe), POLL_READY);
    assert_int_equal(descriptors_open(), before + 1);
    future_drop(&accept.base); /* and nobody took the connection */
    assert_int_equal(descriptors_open(), before);
    socket_close(&client);
    socket_close(&listener);
}

static void test_accept_is_dropped_in_each_state(void **state)
{
    (void)state;
    inside(body_accept_dropped, NULL);
}

/* --- connect --- */

static void body_connect(void *unused)
{
    struct probe probe = {0};
    struct socket clients[3];
    static const int errors[3] = {-1, 0, EINTR}; /* -1: as it comes, 0: at once */

    (void)unused;
    open_listener();
    for (int i = 0; i < 3; i++) {
        struct socket_connect connect = socket_connect(&clients[i], port());
        if (errors[i] >= 0)
            call_fails(CALL_CONNECT, 0, 1, errors[i]);
        unsigned registered = seen(TRACE_REGISTER_BEGIN);
        finish(&connect, &probe);
        assert_int_equal(connect.output, 0);
        assert_int_equal(seen(TRACE_REGISTER_BEGIN) - registered, errors[i] == 0 ? 0 : 1);
        future_drop(&connect.base);
        struct socket_write write = socket_write(&clients[i], "x", 1);
        finish(&write, &probe);
        assert_int_equal(write.output, 1);
        future_drop(&write.base);
        socket_close(&clients[i]);
    }
    socket_close(&listener);
}

static void test_connect(void **state)
{
    (void)state;
    inside(body_connect, NULL);
}

/* Fails in its way, and leaves no descriptor. */
static void connect_fails(uint16_t to, int error)
{
    struct probe probe = {0};
    struct socket client;
    struct socket_connect connect = socket_connect(&client, to);
    int before = descriptors_open();

    finish(&connect, &probe);
    assert_int_equal(connect.output, -error);
    assert_int_equal(client.source.fd, -1);
    assert_int_equal(socket_close(&client), -EBADF);
    assert_int_equal(descriptors_open(), before);
    assert_int_equal(probe.held, 0);
    future_drop(&connect.base);
}

static void body_connect_fails(void *unused)
{
    (void)unused;
    open_listener();
    uint16_t number = port();
    call_fails(CALL_SOCKET, 0, 1, EMFILE);
    connect_fails(number, EMFILE);
    call_fails(CALL_CONNECT, 0, 1, EADDRNOTAVAIL);
    connect_fails(number, EADDRNOTAVAIL);
    call_fails(CALL_EPOLL_CTL, 0, 1, ENOSPC);
    connect_fails(number, ENOSPC);
    call_fails(CALL_GETSOCKOPT, 0, 1, ENOBUFS);
    connect_fails(number, ENOBUFS);
    socket_close(&listener);
    connect_fails(number, ECONNREFUSED); /* nobody listens there any more */
}

static void test_connect_fails(void **state)
{
    (void)state;
    inside(body_connect_fails, NULL);
}

static void body_connect_dropped(void *unused)
{
    struct probe probe = {0};
    struct socket client;

    (void)unused;
    open_listener();
    int before = descriptors_open();
    struct socket_connect fresh = socket_connect(&client, port()), connect = fresh;
    future_drop(&fresh.base);

    connect = socket_connect(&client, port());
    assert_int_equal(poll_with(&connect, &probe), POLL_PENDING);
    assert_int_equal(descriptors_open(), before + 1);
    future_drop(&connect.base); /* half-way: nobody else knows of the descriptor */
    assert_int_equal(descriptors_open(), before);
    assert_int_equal(client.source.fd, -1);
    assert_int_equal(probe.held, 0);

    connect = socket_connect(&client, port());
    finish(&connect, &probe);
    future_drop(&connect.base); /* done: the socket is the caller's */
    assert_int_equal(descriptors_open(), before + 1);
    assert_int_equal(socket_close(&client), 0);
    socket_close(&listener);
}

static void test_connect_is_dropped_in_each_state(void **state)
{
    (void)state;
    inside(body_connect_dropped, NULL);
}

/* --- read --- */

static void body_read(void *unused)
{
    struct wire wire = wire_tcp();
    struct probe probe = {0};
    char text[8] = "";
    struct socket_read read = socket_read(&wire.socket, text, sizeof text);

    (void)unused;
    peer_send(&wire, "one");
    wait_readable(wire.socket.source.fd);
    assert_int_equal(poll_with(&read, &probe), POLL_READY); /* at once */
    assert_int_equal(read.output, 3);
    assert_memory_equal(text, "one", 3);
    future_drop(&read.base);

    read = socket_read(&wire.socket, text, sizeof text);
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING); /* has to wait */
    peer_send(&wire, "two");
    finish(&read, &probe);
    assert_memory_equal(text, "two", 3);
    future_drop(&read.base);

    read = socket_read(&wire.socket, text, sizeof text);
    peer_send(&wire, "three");
    wait_readable(wire.socket.source.fd);
    call_fails(CALL_RECV, 0, 3, EINTR); /* is interrupted */
    assert_int_equal(poll_with(&read, &probe), POLL_READY);
    assert_int_equal(read.output, 5);
    future_drop(&read.base);

    read = socket_read(&wire.socket, text, sizeof text);
    shutdown(wire.peer, SHUT_WR); /* the end */
    finish(&read, &probe);
    assert_int_equal(read.output, 0);
    future_drop(&read.base);
    wire_close(&wire);
}

static void test_read(void **state)
{
    (void)state;
    inside(body_read, NULL);
}

/* Bytes and the end come in one event: both must be read on the strength of it. */
static void body_last_words(void *unused)
{
    struct wire wire = wire_tcp();
    struct probe probe = {0};
    char text[8];
    struct socket_read read = socket_read(&wire.socket, text, sizeof text);

    (void)unused;
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    peer_send(&wire, "bye");
    close(wire.peer);
    wire.peer = -1;
    turn(-1);
    turn(0); /* should they have come in two */
    assert_int_equal(poll_with(&read, &probe), POLL_READY);
    assert_int_equal(read.output, 3);
    future_drop(&read.base);
    read = socket_read(&wire.socket, text, sizeof text);
    finish(&read, &probe);
    assert_int_equal(read.output, 0);
    future_drop(&read.base);
    wire_close(&wire);
}

static void test_read_the_last_words(void **state)
{
    (void)state;
    inside(body_last_words, NULL);
}

static void body_read_reset(void *unused)
{
    struct wire wire = wire_tcp();
    struct probe probe = {0};
    char text[8];
    struct socket_read read = socket_read(&wire.socket, text, sizeof text);

    (void)unused;
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    peer_reset(&wire);
    finish(&read, &probe);
    assert_int_equal(read.output, -ECONNRESET);
    future_drop(&read.base);
    wire_close(&wire);
}

static void test_read_from_a_peer_that_resets(void **state)
{
    (void)state;
    inside(body_read_reset, NULL);
}

/* --- write --- */

static char block[1 << 20];

/* Reads what the peer has got, so many bytes at least, and counts. */
static size_t peer_drain(const struct wire *wire, size_t least)
{
    static char drain[65536];
    size_t total = 0;

    for (ssize_t got; total < least; total += (size_t)got)
        assert_true((got = recv(wire->peer, drain, sizeof drain, 0)) > 0);
    return total;
}

static void body_write(void *unused)
{
    struct wire wire = wire_tcp();
    struct probe probe = {0};
    struct socket_write write = socket_write(&wire.socket, "12345", 5);

    (void)unused;
    calls_move_at_most(1); /* each byte takes a call */
    unsigned sends = calls_made(CALL_SEND);
    assert_int_equal(poll_with(&write, &probe), POLL_READY);
    assert_int_equal(write.output, 5);
    assert_int_equal(calls_made(CALL_SEND) - sends, 5);
    assert_int_equal(peer_drain(&wire, 5), 5);
    future_drop(&write.base);
    calls_move_at_most(0);

    write = socket_write(&wire.socket, "12345", 5);
    call_fails(CALL_SEND, 0, 3, EINTR);
    assert_int_equal(poll_with(&write, &probe), POLL_READY);
    assert_int_equal(write.output, 5);
    assert_int_equal(peer_drain(&wire, 5), 5);
    future_drop(&write.base);

    write = socket_write(&wire.socket, "", 0);
    assert_int_equal(poll_with(&write, &probe), POLL_READY);
    assert_int_equal(write.output, 0);
    future_drop(&write.base);
    wire_close(&wire);
}

static void test_write(void **state)
{
    (void)state;
    inside(body_write, NULL);
}

static void *drain_thread(void *wire)
{
    peer_drain(wire, 16 * sizeof block);
    return NULL;
}

/* More than all buffers hold: it must wait, again and again, and in the end all of it is there. */
static void body_write_much(void *unused)
{
    struct wire wire = wire_tcp();
    struct probe probe = {0};
    pthread_t thread;

    (void)unused;
    assert_int_equal(pthread_create(&thread, NULL, drain_thread, &wire), 0);
    for (int i = 0; i < 16; i++) {
        struct socket_write write = socket_write(&wire.socket, block, sizeof block);
        finish(&write, &probe);
        assert_int_equal(write.output, sizeof block);
        future_drop(&write.base);
    }
    pthread_join(thread, NULL);
    wire_close(&wire);
}

static void test_write_more_than_fits(void **state)
{
    (void)state;
    inside(body_write_much, NULL);
}

/* Fails half-way: the caller learns how much was sent. And no signal comes. */
static void body_write_fails(void *unused)
{
    struct wire wire = wire_tcp();
    struct probe probe = {0};
    struct socket_write write = socket_write(&wire.socket, "12345", 5);

    (void)unused;
    calls_move_at_most(1);
    call_fails(CALL_SEND, 3, 1, ENOBUFS);
    assert_int_equal(poll_with(&write, &probe), POLL_READY);
    assert_int_equal(write.output, -ENOBUFS);
    assert_int_equal(write.sent, 3);
    future_drop(&write.base);

    peer_reset(&wire);
    wait_readable(wire.socket.source.fd);
    for (int i = 0; i < 2; i++) {
        static const int errors[] = {ECONNRESET, EPIPE};
        write = socket_write(&wire.socket, "x", 1);
        finish(&write, &probe);
        assert_int_equal(write.output, -errors[i]);
        future_drop(&write.base);
    }
    wire_close(&wire);
}

static void test_write_fails(void **state)
{
    (void)state;
    inside(body_write_fails, NULL);
}

/* --- half-close --- */

static void body_half_close(void *unused)
{
    struct wire wire = wire_tcp();
    struct probe probe = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    struct socket_write write = socket_write(&wire.socket, "x", 1);

    (void)unused;
    assert_int_equal(socket_shutdown(&wire.socket), 0);
    assert_int_equal(recv(wire.peer, &byte, 1, 0), 0);
    assert_int_equal(poll_with(&write, &probe), POLL_READY);
    assert_int_equal(write.output, -EPIPE);
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING); /* the other direction is still open */
    peer_send(&wire, "y");
    finish(&read, &probe);
    assert_int_equal(read.output, 1);
    future_drop(&read.base);
    future_drop(&write.base);
    socket_close(&wire.socket);
    assert_int_equal(socket_shutdown(&wire.socket), -EBADF);
    assert_int_equal(listener_port(&wire.socket), -EBADF);
    wire_close(&wire);
}

static void test_half_closed(void **state)
{
    (void)state;
    inside(body_half_close, NULL);
}

/* --- dropped or closed while waiting --- */

static void body_read_and_write_dropped(void *unused)
{
    struct wire wire = wire_local();
    struct probe probe = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    struct socket_write write = socket_write(&wire.socket, "x", 1);

    (void)unused;
    future_drop(&read.base);
    future_drop(&write.base);
    wire_fill(&wire);
    read = socket_read(&wire.socket, &byte, 1);
    write = socket_write(&wire.socket, "x", 1);
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    assert_int_equal(poll_with(&write, &probe), POLL_PENDING);
    assert_int_equal(probe.held, 2);
    future_drop(&read.base);
    future_drop(&write.base);
    assert_int_equal(probe.held, 0);
    peer_send(&wire, "y");
    turn(0);
    assert_int_equal(probe.wakes, 0);

    read = socket_read(&wire.socket, &byte, 1); /* another may wait there now; and what was reported counts for it */
    assert_int_equal(poll_with(&read, &probe), POLL_READY);
    future_drop(&read.base);
    wire_close(&wire);
}

static void test_read_and_write_are_dropped_in_each_state(void **state)
{
    (void)state;
    inside(body_read_and_write_dropped, NULL);
}

/* A future that no longer waits must not take the place away from the one that does. */
static void body_drop_of_another(void *unused)
{
    struct wire wire = wire_local();
    struct probe first = {0}, second = {0};
    char byte;
    struct socket_read done = socket_read(&wire.socket, &byte, 1), waits = socket_read(&wire.socket, &byte, 1);

    (void)unused;
    assert_int_equal(poll_with(&done, &first), POLL_PENDING);
    peer_send(&wire, "x");
    turn(-1);
    assert_int_equal(first.wakes, 1);
    assert_int_equal(recv(wire.socket.source.fd, &byte, 1, 0), 1); /* somebody took the byte: `done` is still started */
    source_would_block(&wire.socket.source, SOURCE_READ);
    assert_int_equal(poll_with(&waits, &second), POLL_PENDING);
    future_drop(&done.base);
    assert_int_equal(second.held, 1);
    peer_send(&wire, "y");
    turn(-1);
    assert_int_equal(second.wakes, 1);
    future_drop(&waits.base);
    wire_close(&wire);
}

static void test_a_drop_does_not_disturb_the_next_waiter(void **state)
{
    (void)state;
    inside(body_drop_of_another, NULL);
}

/* The executor's tasks wait for it in every way; a task closes it, and each of them learns so. */
static struct {
    struct socket listener, client;
    struct wire wire;
} closing;

static enum poll close_step(struct script *self, struct context *cx)
{
    (void)cx;
    if (self->tally->polls == 1) { /* the others come first */
        waker_wake_by_ref(cx->waker);
        return POLL_PENDING;
    }
    assert_int_equal(socket_close(&closing.listener), 0);
    assert_int_equal(socket_close(&closing.wire.socket), 0);
    assert_int_equal(socket_close(&closing.client), 0);
    return POLL_READY;
}

static void test_closed_while_tasks_wait(void **state)
{
    struct executor ex;
    struct tally tally = {0};
    struct join_handle handles[4];
    char byte;

    (void)state;
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(listener_open(&closing.listener, 0, 1), 0);
    open_listener();
    closing.wire = wire_local();
    wire_fill(&closing.wire);
    struct socket_accept accept = socket_accept(&closing.listener);
    struct socket_read read = socket_read(&closing.wire.socket, &byte, 1);
    struct socket_write write = socket_write(&closing.wire.socket, "x", 1);
    struct socket_connect connect = socket_connect(&closing.client, port());
    struct script closer = script(&tally, close_step, NULL);
    assert_int_equal(task_spawn(&ex, &accept, &handles[0]), 0);
    assert_int_equal(task_spawn(&ex, &read, &handles[1]), 0);
    assert_int_equal(task_spawn(&ex, &write, &handles[2]), 0);
    assert_int_equal(task_spawn(&ex, &connect, &handles[3]), 0);
    assert_int_equal(task_spawn(&ex, &closer, NULL), 0);
    executor_run(&ex);
    for (int i = 0; i < 4; i++)
        assert_int_equal(executor_block_on(&ex, &handles[i]), 0);
    assert_int_equal(((struct socket_accept *)join_handle_output(&handles[0]))->output, -EBADF);
    assert_int_equal(((struct socket_read *)join_handle_output(&handles[1]))->output, -EBADF);
    assert_int_equal(((struct socket_write *)join_handle_output(&handles[2]))->output, -EBADF);
    assert_int_equal(((struct socket_connect *)join_handle_output(&handles[3]))->output, -EBADF);
    for (int i = 0; i < 4; i++)
        future_drop(&handles[i].base);
    wire_close(&closing.wire);
    socket_close(&listener);
    executor_destroy(&ex);
}

static void test_closed_twice(void **state)
{
    struct wire wire = wire_local();
    unsigned closes = calls_made(CALL_CLOSE);

    (void)state;
    assert_int_equal(socket_close(&wire.socket), 0);
    assert_int_equal(socket_close(&wire.socket), -EBADF);
    assert_int_equal(calls_made(CALL_CLOSE) - closes, 1);
    wire_close(&wire);

    wire = wire_local();
    call_fails(CALL_CLOSE, 0, 1, EIO);
    assert_int_equal(socket_close(&wire.socket), -EIO); /* and closed it is */
    assert_int_equal(socket_close(&wire.socket), -EBADF);
    wire_close(&wire);
}

/* --- tasks that end while they wait --- */

/* Aborting a task takes its waker out of the source or the timer; others can wait there afterwards. */
static enum poll abort_step(struct script *self, struct context *cx)
{
    struct join_handle *handles = self->arg;

    if (self->tally->polls == 1) {
        waker_wake_by_ref(cx->waker);
        return POLL_PENDING;
    }
    join_handle_abort(&handles[0]);
    join_handle_abort(&handles[1]);
    return POLL_READY;
}

static void test_an_aborted_task_stops_waiting(void **state)
{
    struct executor ex;
    struct tally tally = {0};
    struct join_handle handles[2];
    struct wire wire = wire_local();
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    struct sleep sleep = sleep_for(MILLISECONDS(3600000));
    struct script aborter = script(&tally, abort_step, handles);

    (void)state;
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &read, &handles[0]), 0);
    assert_int_equal(task_spawn(&ex, &sleep, &handles[1]), 0);
    assert_int_equal(task_spawn(&ex, &aborter, NULL), 0);
    executor_run(&ex);
    assert_null(wire.socket.source.waiting[SOURCE_READ].waker.vtable);
    assert_null(ex.reactor.timers.root);
    assert_int_equal(seen(TRACE_TIMER_CANCEL), 1);
    assert_int_equal(seen(TRACE_WAKER_DROP), 2);
    future_drop(&handles[0].base);
    future_drop(&handles[1].base);

    peer_send(&wire, "x");
    read = socket_read(&wire.socket, &byte, 1);
    assert_int_equal(executor_block_on(&ex, &read), 0);
    assert_int_equal(read.output, 1);
    future_drop(&read.base);
    wire_close(&wire);
    executor_destroy(&ex);
}

static void test_destroyed_with_tasks_that_wait(void **state)
{
    struct executor ex;
    struct tally spins = {0};
    struct wire wire = wire_local();
    char byte;

    (void)state;
    wire_fill(&wire);
    open_listener();
    struct socket_accept accept = socket_accept(&listener);
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    struct socket_write write = socket_write(&wire.socket, "x", 1);
    struct socket client;
    struct socket_connect connect = socket_connect(&client, port());
    struct sleep sleep = sleep_for(MILLISECONDS(3600000)), never_polled = sleep_for(1), yields = sleep_for(0);
    struct script spin = script(&spins, spin_step, NULL);
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &accept, NULL), 0);
    assert_int_equal(task_spawn(&ex, &read, NULL), 0);
    assert_int_equal(task_spawn(&ex, &write, NULL), 0);
    assert_int_equal(task_spawn(&ex, &connect, NULL), 0);
    assert_int_equal(task_spawn(&ex, &sleep, NULL), 0);
    assert_int_equal(task_spawn(&ex, &spin, NULL), 0);
    assert_int_equal(executor_block_on(&ex, &yields), 0);
    future_drop(&yields.base);
    assert_int_equal(task_spawn(&ex, &never_polled, NULL), 0);
    executor_destroy(&ex);
    assert_int_equal(spins.drops, 1);
    assert_int_equal(seen(TRACE_TASK_FREE), 8);
    wire_close(&wire);
    if (connect.socket->source.fd >= 0)
        socket_close(&client);
    socket_close(&listener);
}

/* A task that is dropped spawns another, which would wait for ever: it is aborted, too, and never polled. */
struct spawner {
    struct future base;
    struct socket *socket;
};

static enum poll spawner_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    return POLL_PENDING;
}

static void spawner_drop(struct future *f)
{
    struct spawner *self = (struct spawner *)f;
    static char byte;
    struct socket_read read = socket_read(self->socket, &byte, 1);

    assert_int_equal(task_spawn(executor_current(), &read, NULL), 0);
}

FUTURE_TYPE(spawner, spawner_poll, spawner_drop);

static void test_destroyed_with_a_task_that_spawns(void **state)
{
    struct executor ex;
    struct wire wire = wire_local();
    struct spawner spawner = {.socket = &wire.socket};

    (void)state;
    future_init(&spawner.base, &spawner_type);
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &spawner, NULL), 0);
    executor_destroy(&ex);
    assert_int_equal(calls_made(CALL_RECV), 0);
    assert_int_equal(seen(TRACE_TASK_FREE), 2);
    wire_close(&wire);
}

/* --- combined --- */

/* A finished accept inside a future that is dropped before the other half is done: the connection is closed. */
static void body_accept_in_join(void *unused)
{
    struct probe probe = {0};
    struct socket_accept accept = socket_accept(&listener);
    struct sleep sleep = sleep_for(MILLISECONDS(3600000));
    struct join both = join(&accept.base, &sleep.base);

    (void)unused;
    open_listener();
    struct socket client;
    connect_client(&client, &probe);
    int before = descriptors_open();
    assert_int_equal(poll_with(&both, &probe), POLL_PENDING);
    assert_int_equal(accept.base.phase, FUTURE_FINISHED);
    assert_int_equal(descriptors_open(), before + 1);
    future_drop(&both.base);
    assert_int_equal(descriptors_open(), before);
    assert_int_equal(probe.held, 0);
    socket_close(&client);
    socket_close(&listener);
}

static void test_a_connection_that_nobody_took_is_closed(void **state)
{
    (void)state;
    inside(body_accept_in_join, NULL);
}

/* Whoever is ready first; the other stops waiting, and the socket is as it was. */
static void body_select(void *unused)
{
    struct wire a = wire_local(), b = wire_local();
    struct probe probe = {0};
    char byte;
    struct socket_read left = socket_read(&a.socket, &byte, 1), right = socket_read(&b.socket, &byte, 1);
    struct select first = select_first(&left.base, &right.base);

    (void)unused;
    assert_int_equal(poll_with(&first, &probe), POLL_PENDING);
    peer_send(&b, "b");
    finish(&first, &probe);
    assert_ptr_equal(first.winner, &right.base);
    assert_int_equal(probe.held, 0);
    future_drop(&first.base);
    peer_send(&a, "a");
    left = socket_read(&a.socket, &byte, 1);
    finish(&left, &probe);
    assert_int_equal(byte, 'a');
    future_drop(&left.base);
    wire_close(&a);
    wire_close(&b);
}

static void test_select_between_two_sockets(void **state)
{
    (void)state;
    inside(body_select, NULL);
}

/* --- listening --- */

static void test_a_listener_opens_whole_or_not_at_all(void **state)
{
    static const enum call needs[] = {CALL_SOCKET, CALL_SETSOCKOPT, CALL_BIND, CALL_LISTEN};
    struct socket second;

    (void)state;
    for (int i = 0; i < 4; i++) {
        int before = descriptors_open();
        call_fails(needs[i], 0, 1, EACCES);
        assert_int_equal(listener_open(&listener, 0, 1), -EACCES);
        assert_int_equal(descriptors_open(), before);
    }
    open_listener();
    assert_int_equal(listener_open(&second, port(), 1), -EADDRINUSE);
    call_fails(CALL_GETSOCKNAME, 0, 1, ENOBUFS);
    assert_int_equal(listener_port(&listener), -ENOBUFS);
    socket_close(&listener);
}

/* --- a descriptor that cannot be watched --- */

static void body_not_watchable(void *unused)
{
    struct wire wire = wire_local();
    struct probe probe = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);

    (void)unused;
    call_fails(CALL_EPOLL_CTL, 0, 1, ENOSPC);
    assert_int_equal(poll_with(&read, &probe), POLL_READY);
    assert_int_equal(read.output, -ENOSPC);
    future_drop(&read.base);

    call_fails(CALL_REALLOC, 0, 1, ENOMEM);
    struct wire other = wire_local();
    reactor_current(SITE(""))->first_free = UINT32_MAX; /* as if all slots were in use */
    struct socket_read read_other = socket_read(&other.socket, &byte, 1);
    assert_int_equal(poll_with(&read_other, &probe), POLL_READY);
    assert_int_equal(read_other.output, -ENOMEM);
    future_drop(&read_other.base);
    wire_close(&other);

    read = socket_read(&wire.socket, &byte, 1); /* and the next time it works */
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    peer_send(&wire, "x");
    finish(&read, &probe);
    assert_int_equal(read.output, 1);
    future_drop(&read.base);
    wire_close(&wire);
}

static void test_a_registration_that_fails(void **state)
{
    (void)state;
    inside(body_not_watchable, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_accept),
        TEST(test_one_event_announces_many_connections),
        TEST(test_accept_is_tried_again),
        TEST(test_accept_without_a_free_descriptor),
        TEST(test_accept_is_dropped_in_each_state),
        TEST(test_connect),
        TEST(test_connect_fails),
        TEST(test_connect_is_dropped_in_each_state),
        TEST(test_read),
        TEST(test_read_the_last_words),
        TEST(test_read_from_a_peer_that_resets),
        TEST(test_write),
        TEST(test_write_more_than_fits),
        TEST(test_write_fails),
        TEST(test_half_closed),
        TEST(test_read_and_write_are_dropped_in_each_state),
        TEST(test_a_drop_does_not_disturb_the_next_waiter),
        TEST(test_closed_while_tasks_wait),
        TEST(test_closed_twice),
        TEST(test_an_aborted_task_stops_waiting),
        TEST(test_destroyed_with_tasks_that_wait),
        TEST(test_destroyed_with_a_task_that_spawns),
        TEST(test_a_connection_that_nobody_took_is_closed),
        TEST(test_select_between_two_sockets),
        TEST(test_a_listener_opens_whole_or_not_at_all),
        TEST(test_a_registration_that_fails),
    };
    return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
