/* LINK: @tests/support.link */
/* Sources: readiness under edge-triggered epoll, registrations that go away, hang-ups, interrupted waits, nudges; and
 * how many system calls it all takes. */
#include "support.h"

#include "sys.h"
#include "timer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- readiness --- */

/* The kernel reports the two writes once; four reads with room for one byte must get all of them. */
static void body_short_reads(void *unused)
{
    struct wire wire = wire_local();
    struct probe probe = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);

    (void)unused;
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    peer_send(&wire, "ab");
    peer_send(&wire, "cd");
    turn(-1);
    assert_int_equal(probe.wakes, 1);
    for (const char *expected = "abcd"; *expected; expected++) {
        assert_int_equal(poll_with(&read, &probe), POLL_READY);
        assert_int_equal(read.output, 1);
        assert_int_equal(byte, *expected);
        future_drop(&read.base);
        read = socket_read(&wire.socket, &byte, 1);
    }
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    future_drop(&read.base);
    assert_int_equal(probe.held, 0);
    wire_close(&wire);
}

static void test_reads_go_on_until_one_would_block(void **state)
{
    (void)state;
    inside(body_short_reads, NULL);
}

/* What came before the registration, or between the call that would block and the registration, is reported too. */
static void send_now(void *wire)
{
    peer_send(wire, "x");
}

static void body_before_registration(void *unused)
{
    struct wire wire = wire_local();
    struct probe probe = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);

    (void)unused;
    at_point(TRACE_REGISTER_BEGIN, 0, send_now, &wire);
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    turn(-1);
    assert_int_equal(probe.wakes, 1);
    assert_int_equal(poll_with(&read, &probe), POLL_READY);
    future_drop(&read.base);

    read = socket_read(&wire.socket, &byte, 1);
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING); /* registered already: now before the wait */
    peer_send(&wire, "y");
    turn(-1);
    assert_int_equal(probe.wakes, 2);
    future_drop(&read.base);
    wire_close(&wire);
}

static void test_nothing_falls_between_would_block_and_the_wait(void **state)
{
    (void)state;
    inside(body_before_registration, NULL);
}

static void body_both_directions(void *unused)
{
    struct wire wire = wire_local();
    struct probe reader = {0}, writer = {0};
    char byte, drain[65536];
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    struct socket_write write = socket_write(&wire.socket, "w", 1);

    (void)unused;
    wire_fill(&wire);
    assert_int_equal(poll_with(&read, &reader), POLL_PENDING);
    assert_int_equal(poll_with(&write, &writer), POLL_PENDING);
    peer_send(&wire, "r");
    turn(-1);
    assert_int_equal(reader.wakes, 1);
    assert_int_equal(writer.wakes, 0);
    while (recv(wire.peer, drain, sizeof drain, MSG_DONTWAIT) > 0)
        ;
    turn(-1);
    assert_int_equal(writer.wakes, 1);
    assert_int_equal(poll_with(&read, &reader), POLL_READY);
    assert_int_equal(poll_with(&write, &writer), POLL_READY);
    assert_int_equal(write.output, 1);
    future_drop(&read.base);
    future_drop(&write.base);
    wire_close(&wire);
}

static void test_each_direction_wakes_its_own_waiter(void **state)
{
    (void)state;
    inside(body_both_directions, NULL);
}

/* That a read would block says nothing about writing: no event will come to correct such a mistake. */
static void body_only_one_direction(void *unused)
{
    struct wire wire = wire_local();
    struct probe probe = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    struct socket_write write = socket_write(&wire.socket, "w", 1);

    (void)unused;
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    assert_int_equal(poll_with(&write, &probe), POLL_READY);
    assert_int_equal(write.output, 1);
    future_drop(&read.base);
    future_drop(&write.base);
    wire_close(&wire);
}

static void test_who_would_block_in_one_direction_goes_on_in_the_other(void **state)
{
    (void)state;
    inside(body_only_one_direction, NULL);
}

/* --- a waker is replaced on a later poll --- */

static void body_other_waker(void *unused)
{
    struct wire wire = wire_local();
    struct probe first = {0}, second = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);

    (void)unused;
    assert_int_equal(poll_with(&read, &first), POLL_PENDING);
    assert_int_equal(poll_with(&read, &second), POLL_PENDING);
    assert_int_equal(first.held, 0);
    peer_send(&wire, "x");
    turn(-1);
    assert_int_equal(first.wakes, 0);
    assert_int_equal(second.wakes, 1);
    assert_int_equal(second.held, 0);
    future_drop(&read.base);
    wire_close(&wire);
}

static void test_the_waker_of_the_latest_poll_is_used(void **state)
{
    (void)state;
    inside(body_other_waker, NULL);
}

static void body_same_waker(void *unused)
{
    struct wire wire = wire_local();
    struct probe probe = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);

    (void)unused;
    for (int i = 0; i < 3; i++)
        assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    assert_int_equal(probe.held, 1);
    future_drop(&read.base);
    assert_int_equal(probe.held, 0);
    wire_close(&wire);
}

static void test_polling_again_leaves_one_waker(void **state)
{
    (void)state;
    inside(body_same_waker, NULL);
}

/* --- registrations that end while their event is in the batch --- */

/* A and B are reported in one batch. A's waker closes B, frees it, and opens C, which gets B's slot and descriptor. */
struct swap {
    struct wire a, c;
    struct wire *b; /* freed memory after the swap */
    struct socket_read read_b, read_c;
    struct probe probe_a, probe_b, probe_c;
    int fd_b;
    uint32_t slot_b;
    char bytes[3];
};

static void swap_b_for_c(void *arg)
{
    struct swap *swap = arg;

    swap->fd_b = swap->b->socket.source.fd;
    swap->slot_b = swap->b->socket.source.slot;
    wire_close(swap->b);
    future_drop(&swap->read_b.base);
    free(swap->b);
    swap->c = wire_local();
    swap->read_c = socket_read(&swap->c.socket, &swap->bytes[2], 1);
    assert_int_equal(poll_with(&swap->read_c, &swap->probe_c), POLL_PENDING);
}

static void body_swap(void *unused)
{
    struct swap swap = {.a = wire_local(), .b = malloc(sizeof *swap.b)};
    struct socket_read read_a = socket_read(&swap.a.socket, &swap.bytes[0], 1);

    (void)unused;
    *swap.b = wire_local();
    swap.read_b = socket_read(&swap.b->socket, &swap.bytes[1], 1);
    swap.probe_a = (struct probe){.on_wake = swap_b_for_c, .arg = &swap};
    assert_int_equal(poll_with(&read_a, &swap.probe_a), POLL_PENDING);
    assert_int_equal(poll_with(&swap.read_b, &swap.probe_b), POLL_PENDING);
    peer_send(&swap.a, "a");
    peer_send(swap.b, "b");
    turn(-1);

    assert_int_equal(swap.c.socket.source.slot, swap.slot_b);
    assert_int_equal(swap.c.socket.source.fd, swap.fd_b);
    assert_int_equal(swap.probe_c.wakes, 0);
    assert_int_equal(swap.c.socket.source.ready & 1 << SOURCE_READ, 0);
    assert_int_equal(swap.probe_b.wakes, 1); /* by the close */
    future_drop(&read_a.base);
    future_drop(&swap.read_c.base);
    wire_close(&swap.a);
    wire_close(&swap.c);
}

static void test_closing_b_while_its_event_is_in_the_batch(void **state)
{
    (void)state;
    inside(body_swap, NULL);
}

/* One event wakes the reader and the writer of one source; the reader closes and frees it. */
struct suicide {
    struct wire *wire;
    struct socket_read read;
    struct socket_write write;
    struct probe reader, writer;
    char byte;
};

static void close_own(void *arg)
{
    struct suicide *self = arg;

    wire_close(self->wire);
    future_drop(&self->read.base);
    future_drop(&self->write.base);
    free(self->wire);
}

static void body_suicide(void *unused)
{
    struct suicide self = {.wire = malloc(sizeof *self.wire)};

    (void)unused;
    *self.wire = wire_tcp();
    wire_fill(self.wire);
    self.read = socket_read(&self.wire->socket, &self.byte, 1);
    self.write = socket_write(&self.wire->socket, "x", 1);
    self.reader = (struct probe){.on_wake = close_own, .arg = &self};
    assert_int_equal(poll_with(&self.read, &self.reader), POLL_PENDING);
    assert_int_equal(poll_with(&self.write, &self.writer), POLL_PENDING);
    peer_reset(self.wire);
    turn(-1);
    assert_int_equal(self.reader.wakes, 1);
    assert_int_equal(self.writer.wakes, 1); /* by the close */
    assert_int_equal(self.writer.held + self.reader.held, 0);
}

static void test_a_reader_closes_the_source_that_woke_it(void **state)
{
    (void)state;
    inside(body_suicide, NULL);
}

/* A waker that looks at the source while it is being closed finds it closed; one that closes it too is told so. */
struct closing {
    struct wire wire;
    struct socket_read read;
    struct probe reader, writer;
    int second_close;
    char byte;
};

static void look_and_close(void *arg)
{
    struct closing *self = arg;

    assert_int_equal(poll_with(&self->read, &self->reader), POLL_READY);
    assert_int_equal(self->read.output, -EBADF);
    self->second_close = socket_close(&self->wire.socket);
}

static void body_closing(void *unused)
{
    struct closing self = {.wire = wire_local()};
    struct socket_write write = socket_write(&self.wire.socket, "x", 1);

    (void)unused;
    wire_fill(&self.wire);
    self.read = socket_read(&self.wire.socket, &self.byte, 1);
    self.reader = (struct probe){.on_wake = look_and_close, .arg = &self};
    assert_int_equal(poll_with(&self.read, &self.reader), POLL_PENDING);
    assert_int_equal(poll_with(&write, &self.writer), POLL_PENDING);
    peer_send(&self.wire, "never read");
    assert_int_equal(socket_close(&self.wire.socket), 0);
    assert_int_equal(self.second_close, -EBADF);
    assert_int_equal(poll_with(&write, &self.writer), POLL_READY);
    assert_int_equal(write.output, -EBADF);
    assert_int_equal(calls_made(CALL_CLOSE), 1);
    future_drop(&self.read.base);
    future_drop(&write.base);
    wire_close(&self.wire);
}

static void test_who_is_woken_by_a_close_finds_it_closed(void **state)
{
    (void)state;
    inside(body_closing, NULL);
}

/* --- duplicates --- */

/* The kernel removes a descriptor from the epoll set by itself only with its last duplicate. */
static void body_duplicate(void *unused)
{
    struct wire wire = wire_local();
    struct probe probe = {0};
    struct epoll_event event;
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    int duplicate = dup(wire.socket.source.fd);

    (void)unused;
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    assert_int_equal(socket_close(&wire.socket), 0);
    assert_int_equal(probe.wakes, 1);
    peer_send(&wire, "x");
    assert_int_equal(epoll_wait(reactor_current(SITE(""))->epoll_fd, &event, 1, 0), 0);
    assert_int_equal(probe.wakes, 1);
    future_drop(&read.base);
    close(duplicate);
    wire_close(&wire);
}

static void test_a_duplicate_does_not_fire_after_the_close(void **state)
{
    (void)state;
    inside(body_duplicate, NULL);
}

/* --- hang-ups --- */

/* A reader and a writer wait, the peer resets, and only these bits are let through. Who is woken? */
struct hangup {
    uint32_t bits;
    int readers, writers;
};

static void body_hangup(void *arg)
{
    const struct hangup *expected = arg;
    struct wire wire = wire_tcp();
    struct probe reader = {0}, writer = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    struct socket_write write = socket_write(&wire.socket, "x", 1);

    wire_fill(&wire);
    assert_int_equal(poll_with(&read, &reader), POLL_PENDING);
    assert_int_equal(poll_with(&write, &writer), POLL_PENDING);
    peer_reset(&wire);
    calls_report_only(expected->bits);
    turn(-1);
    assert_int_equal(reader.wakes, expected->readers);
    assert_int_equal(writer.wakes, expected->writers);
    if (expected->readers && expected->writers) {
        assert_int_equal(poll_with(&read, &reader), POLL_READY);
        assert_int_equal(read.output, -ECONNRESET);
        assert_int_equal(poll_with(&write, &writer), POLL_READY);
        assert_int_equal(write.output, -EPIPE); /* and no SIGPIPE */
    }
    future_drop(&read.base);
    future_drop(&write.base);
    wire_close(&wire);
}

static void test_a_hangup_or_an_error_wakes_both(void **state)
{
    static struct hangup cases[] = {{0, 1, 1},          {EPOLLHUP, 1, 1}, {EPOLLERR, 1, 1},
                                    {EPOLLRDHUP, 1, 0}, {EPOLLIN, 1, 0},  {EPOLLOUT, 0, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        inside(body_hangup, &cases[i]);
}

/* The waiter for one direction is there, the other comes after the hang-up was reported: nothing reports it again. */
static void body_late_writer(void *unused)
{
    struct wire wire = wire_tcp();
    struct probe reader = {0}, writer = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    struct socket_write write = socket_write(&wire.socket, "x", 1);

    (void)unused;
    wire_fill(&wire);
    source_would_block(&wire.socket.source, SOURCE_WRITE);
    assert_int_equal(poll_with(&read, &reader), POLL_PENDING);
    peer_reset(&wire);
    calls_report_only(EPOLLERR | EPOLLHUP);
    turn(-1);
    assert_int_equal(poll_with(&write, &writer), POLL_READY);
    assert_in_range(-write.output, EPIPE, ECONNRESET);
    future_drop(&read.base);
    future_drop(&write.base);
    wire_close(&wire);
}

static void test_a_hangup_is_remembered_for_who_comes_later(void **state)
{
    (void)state;
    inside(body_late_writer, NULL);
}

/* --- interrupted waits --- */

static void body_interrupted(void *unused)
{
    struct wire wire = wire_local();
    struct probe probe = {0};
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);

    (void)unused;
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    peer_send(&wire, "x");
    call_fails(CALL_EPOLL_WAIT, 0, 2, EINTR);
    turn(-1);
    turn(-1);
    assert_int_equal(probe.wakes, 0);
    turn(-1);
    assert_int_equal(probe.wakes, 1);
    future_drop(&read.base);
    wire_close(&wire);
}

static void test_an_interrupted_wait_is_no_event(void **state)
{
    (void)state;
    inside(body_interrupted, NULL);
}

/* The executor simply waits again, without a limit and with one. */
static void test_an_executor_survives_interrupted_waits(void **state)
{
    struct executor ex;
    struct sleep sleep = sleep_for(MILLISECONDS(1));
    struct wire wire = wire_local();
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);

    (void)state;
    assert_int_equal(executor_init(&ex), 0);
    call_fails(CALL_EPOLL_PWAIT2, 0, 3, EINTR);
    call_fails(CALL_EPOLL_WAIT, 0, 3, EINTR);
    assert_int_equal(executor_block_on(&ex, &sleep), 0);
    assert_in_range(calls_made(CALL_EPOLL_PWAIT2), 4, 100);
    at_point(TRACE_WAIT, 0, send_now, &wire);
    assert_int_equal(executor_block_on(&ex, &read), 0);
    assert_int_equal(read.output, 1);
    assert_in_range(calls_made(CALL_EPOLL_WAIT), 4, 5);
    future_drop(&sleep.base);
    future_drop(&read.base);
    wire_close(&wire);
    executor_destroy(&ex);
}

/* --- limits of a wait --- */

static void test_limits_in_nanoseconds(void **state)
{
    struct epoll_event event;
    int epoll_fd = sys_epoll_create(SITE(""));

    (void)state;
    clock_hold(1);
    assert_int_equal(sys_epoll_wait(epoll_fd, &event, 1, 3000000001, SITE("")), 0);
    assert_int_equal(last_wait_ns(), 3000000001);
    assert_int_equal(calls_made(CALL_EPOLL_WAIT), 0);
    sys_close(epoll_fd, SITE(""));
}

static void test_limits_in_milliseconds_are_rounded_up(void **state)
{
    static const struct {
        int64_t ns;
        int ms;
    } cases[] = {{1, 1},
                 {999999, 1},
                 {1000000, 1},
                 {1000001, 2},
                 {1999999, 2},
                 {2000000, 2},
                 {-1, -1},
                 {0, 0},
                 {INT64_MAX, INT32_MAX},
                 {INT64_C(2147483647000000), INT32_MAX},
                 {INT64_C(2147483647000001), INT32_MAX}};
    static const int errors[] = {ENOSYS, EPERM};
    struct epoll_event event;
    int epoll_fd = sys_epoll_create(SITE(""));
    int nudge_fd = sys_eventfd(SITE(""));

    (void)state;
    assert_int_equal(sys_epoll_ctl(epoll_fd, EPOLL_CTL_ADD, nudge_fd, EPOLLIN, 0, SITE("")), 0);
    assert_int_equal(sys_eventfd_add(nudge_fd, SITE("")), 0); /* so that no wait lasts */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int e = 0; e < 2; e++) {
            call_fails(CALL_EPOLL_PWAIT2, 0, 1, errors[e]);
            assert_int_equal(sys_epoll_wait(epoll_fd, &event, 1, cases[i].ns, SITE("")), 1);
            assert_int_equal(last_wait_ms(), cases[i].ms);
        }
    sys_close(nudge_fd, SITE(""));
    sys_close(epoll_fd, SITE(""));
}

/* --- nudges --- */

static void test_a_nudge_before_the_wait_ends_it(void **state)
{
    struct reactor reactor;

    (void)state;
    assert_int_equal(reactor_init(&reactor), 0);
    for (int i = 0; i < 3; i++) { /* each one anew, although nobody reads the counter */
        reactor_nudge(&reactor);
        reactor_nudge(&reactor);
        reactor_turn(&reactor, -1);
    }
    assert_int_equal(calls_made(CALL_EPOLL_WAIT), 3);
    reactor_destroy(&reactor);
}

static void nudge(void *reactor)
{
    reactor_nudge(reactor);
}

static void nudge_elsewhere(void *reactor)
{
    elsewhere(nudge, reactor);
}

static void test_a_nudge_ends_the_wait(void **state)
{
    struct reactor reactor;

    (void)state;
    assert_int_equal(reactor_init(&reactor), 0);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, nudge_elsewhere, &reactor);
    reactor_turn(&reactor, -1);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, nudge_elsewhere, &reactor);
    reactor_turn(&reactor, MILLISECONDS(3600000));
    reactor_destroy(&reactor);
}

/* --- many --- */

/* More sources than the first slots, and more events than one batch. */
enum { MANY = 600 };

struct waits {
    struct source source;
    struct future owner;
    struct probe probe;
};

static void body_many(void *arg)
{
    struct waits *all = arg;
    uint64_t one = 1;
    int error, woken = 0;

    for (int i = 0; i < MANY; i++) {
        struct waker waker = probe_waker(&all[i].probe);
        struct context cx = {&waker};
        source_init(&all[i].source, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        source_would_block(&all[i].source, SOURCE_READ);
        assert_int_equal(source_poll_ready(&all[i].source, SOURCE_READ, &all[i].owner, &cx, &error, SITE("")),
                         POLL_PENDING);
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(write(all[i].source.fd, &one, sizeof one), sizeof one);
    for (int turns = 0; turns < 3; turns++)
        turn(0);
    for (int i = 0; i < MANY; i++) {
        woken += all[i].probe.wakes;
        assert_int_equal(all[i].probe.wakes, 1);
        assert_int_equal(source_close(&all[i].source, SITE("")), 0);
    }
    assert_int_equal(woken, MANY);
    turn(0);
    assert_int_equal(calls_made(CALL_EPOLL_WAIT), 4);
}

static void test_many_sources(void **state)
{
    struct rlimit limit;
    static struct waits all[MANY];

    (void)state;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < MANY + 50)
        skip();
    inside(body_many, all);
}

/* Slots are used again, so that a server does not grow with every connection it ever had. */
static void body_slots(void *unused)
{
    uint32_t highest = 0;

    (void)unused;
    for (int i = 0; i < 1000; i++) {
        struct wire wire = wire_local();
        struct probe probe = {0};
        char byte;
        struct socket_read read = socket_read(&wire.socket, &byte, 1);
        assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
        highest = wire.socket.source.slot > highest ? wire.socket.source.slot : highest;
        future_drop(&read.base);
        wire_close(&wire);
    }
    assert_int_equal(highest, 0);
}

static void test_slots_are_used_again(void **state)
{
    (void)state;
    inside(body_slots, NULL);
}

/* --- how many system calls --- */

static enum poll reads_step(struct script *self, struct context *cx);

struct reads {
    struct wire wire;
    struct socket_read read;
    int left;
    char byte;
};

static void reads_begin(struct reads *self, int count)
{
    *self = (struct reads){.wire = wire_local(), .left = count};
    self->read = socket_read(&self->wire.socket, &self->byte, 1);
}

static enum poll reads_step(struct script *self, struct context *cx)
{
    struct reads *reads = self->arg;

    while (future_poll(&reads->read.base, cx) == POLL_READY) {
        assert_int_equal(reads->read.output, 1);
        future_drop(&reads->read.base);
        if (--reads->left == 0)
            return POLL_READY;
        reads->read = socket_read(&reads->wire.socket, &reads->byte, 1);
    }
    return POLL_PENDING;
}

/* Each time the executor is about to sleep, the peer sends a byte. */
static void send_each_time(void *arg)
{
    struct reads *reads = arg;
    peer_send(&reads->wire, "x");
    if (reads->left > 1)
        at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, send_each_time, reads);
}

/* One registration in a descriptor's life, and one wait for each event: no polling, no spinning. */
static void test_one_registration_and_one_wait_per_event(void **state)
{
    enum { EVENTS = 100 };
    struct executor ex;
    struct reads reads;
    struct tally tally = {0};

    (void)state;
    reads_begin(&reads, EVENTS);
    struct script task = script(&tally, reads_step, &reads);
    assert_int_equal(executor_init(&ex), 0);
    unsigned registered = calls_made(CALL_EPOLL_CTL);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, send_each_time, &reads);
    assert_int_equal(executor_block_on(&ex, &task), 0);
    assert_int_equal(calls_made(CALL_EPOLL_CTL) - registered, 1);
    assert_int_equal(calls_made(CALL_EPOLL_WAIT), EVENTS);
    assert_int_equal(tally.polls, EVENTS + 1);
    assert_int_equal(calls_made(CALL_RECV), 2 * EVENTS); /* each byte, and each time the one that would block */
    future_drop(&task.base);
    wire_close(&reads.wire);
    executor_destroy(&ex);
}

/* Both directions: added for the first that waits, extended for the second, and never again. */
static void body_register_once(void *unused)
{
    struct wire wire = wire_local();
    struct probe reader = {0}, writer = {0};
    char byte, drain[65536];
    unsigned before = calls_made(CALL_EPOLL_CTL);

    (void)unused;
    for (int i = 0; i < 10; i++) {
        struct socket_read read = socket_read(&wire.socket, &byte, 1);
        struct socket_write write = socket_write(&wire.socket, "x", 1);
        wire_fill(&wire);
        source_would_block(&wire.socket.source, SOURCE_WRITE);
        assert_int_equal(poll_with(&read, &reader), POLL_PENDING);
        assert_int_equal(poll_with(&write, &writer), POLL_PENDING);
        peer_send(&wire, "r");
        while (recv(wire.peer, drain, sizeof drain, MSG_DONTWAIT) > 0)
            ;
        turn(-1);
        assert_int_equal(poll_with(&read, &reader), POLL_READY);
        assert_int_equal(poll_with(&write, &writer), POLL_READY);
        future_drop(&read.base);
        future_drop(&write.base);
    }
    assert_int_equal(calls_made(CALL_EPOLL_CTL) - before, 2);
    wire_close(&wire);
    assert_int_equal(calls_made(CALL_EPOLL_CTL) - before, 3);
}

static void test_registered_once_for_each_direction(void **state)
{
    (void)state;
    inside(body_register_once, NULL);
}

static void body_never_blocks(void *unused)
{
    struct wire wire = wire_local();
    struct probe probe = {0};
    char byte;
    unsigned before = calls_made(CALL_EPOLL_CTL);

    (void)unused;
    for (int i = 0; i < 10; i++) {
        struct socket_write write = socket_write(&wire.socket, "x", 1);
        peer_send(&wire, "x");
        struct socket_read read = socket_read(&wire.socket, &byte, 1);
        assert_int_equal(poll_with(&read, &probe), POLL_READY);
        assert_int_equal(poll_with(&write, &probe), POLL_READY);
        future_drop(&read.base);
        future_drop(&write.base);
    }
    wire_close(&wire);
    assert_int_equal(calls_made(CALL_EPOLL_CTL), before);
    assert_int_equal(seen(TRACE_REGISTER_BEGIN), 0);
}

static void test_who_never_waits_is_never_registered(void **state)
{
    (void)state;
    inside(body_never_blocks, NULL);
}

/* --- fairness --- */

/* A task that always wakes itself runs beside one that waits: for the kernel, for a timer, for another thread. What
 * comes for the other is seen after at most 61 tasks, and some for the polls of the other itself. */
enum { SOON = 2 * 61 + 4 };

struct beside {
    struct executor ex;
    struct tally spins;
    int spins_at_event;
};

static struct beside beside;

static void beside_begin(void)
{
    struct script spin = script(&beside.spins, spin_step, NULL);

    beside.spins = (struct tally){0};
    assert_int_equal(executor_init(&beside.ex), 0);
    assert_int_equal(task_spawn(&beside.ex, &spin, NULL), 0);
}

static void beside_end(void)
{
    assert_in_range(beside.spins.polls - beside.spins_at_event, 0, SOON);
    executor_destroy(&beside.ex);
    assert_int_equal(beside.spins.drops, 1);
}

static void send_beside(void *wire)
{
    beside.spins_at_event = beside.spins.polls;
    peer_send(wire, "x");
}

static void test_a_busy_task_does_not_shut_out_the_kernel(void **state)
{
    struct wire wire = wire_local();
    char byte;
    struct socket_read read = socket_read(&wire.socket, &byte, 1);

    (void)state;
    beside_begin();
    at_point(TRACE_WAIT, 0, send_beside, &wire);
    assert_int_equal(executor_block_on(&beside.ex, &read), 0);
    future_drop(&read.base);
    beside_end();
    wire_close(&wire);
}

static void test_a_busy_task_does_not_shut_out_timers(void **state)
{
    struct sleep sleep = sleep_for(0);

    (void)state;
    beside_begin();
    beside.spins_at_event = 0;
    assert_int_equal(executor_block_on(&beside.ex, &sleep), 0);
    future_drop(&sleep.base);
    beside_end();
}

static void ring_beside(void *bell)
{
    beside.spins_at_event = beside.spins.polls;
    elsewhere(bell_ring, bell);
}

static void test_a_busy_task_does_not_shut_out_other_threads(void **state)
{
    struct bell bell;

    (void)state;
    bell_init(&bell);
    struct script waits = script(&bell.tally, bell_step, &bell);
    beside_begin();
    struct join_handle handle;
    assert_int_equal(task_spawn(&beside.ex, &waits, &handle), 0);
    at_point(TRACE_WAIT, TRACE_SOURCE_JOIN, ring_beside, &bell);
    assert_int_equal(executor_block_on(&beside.ex, &handle), 0);
    future_drop(&handle.base);
    beside_end();
}

/* And it makes the executor look outside no more often than that; and not at all where there is nothing to see. arg: a
 * sleep for it to begin with, or NULL. */
static enum poll spin_so_often(struct script *self, struct context *cx)
{
    struct sleep *sleep = self->arg;

    if (sleep && self->tally->polls == 1)
        assert_int_equal(future_poll(&sleep->base, cx), POLL_PENDING);
    if (self->tally->polls == 6100)
        return POLL_READY;
    waker_wake_by_ref(cx->waker);
    return POLL_PENDING;
}

static unsigned calls_while_busy(struct sleep *sleep)
{
    struct executor ex;
    struct tally tally = {0};
    struct script task = script(&tally, spin_so_often, sleep);
    unsigned before = calls_made(CALL_EPOLL_WAIT);

    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &task), 0);
    unsigned calls = calls_made(CALL_EPOLL_WAIT) - before;
    if (sleep)
        future_drop(&sleep->base);
    future_drop(&task.base);
    executor_destroy(&ex);
    return calls;
}

static void test_a_busy_executor_rarely_calls_the_kernel(void **state)
{
    struct sleep sleep = sleep_for(MILLISECONDS(3600000));

    (void)state;
    assert_in_range(calls_while_busy(&sleep), 99, 101);
    assert_int_equal(calls_while_busy(NULL), 0);
}

/* --- the end of a reactor --- */

static void body_leave_registered(void *arg)
{
    struct wire *wire = arg;
    struct probe probe = {0};
    char byte;
    struct socket_read read = socket_read(&wire->socket, &byte, 1);

    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    future_drop(&read.base);
    assert_non_null(wire->socket.source.reactor);
}

static void body_use_again(void *arg)
{
    struct wire *wire = arg;
    struct probe probe = {0};
    char byte;
    struct socket_read read = socket_read(&wire->socket, &byte, 1);

    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    peer_send(wire, "x");
    turn(-1);
    assert_int_equal(poll_with(&read, &probe), POLL_READY);
    assert_int_equal(read.output, 1);
    future_drop(&read.base);
}

static void test_sockets_outlive_their_executor(void **state)
{
    struct wire wire = wire_local();

    (void)state;
    inside(body_leave_registered, &wire);
    assert_null(wire.socket.source.reactor);
    inside(body_use_again, &wire);
    assert_int_equal(socket_close(&wire.socket), 0);
    assert_int_equal(socket_close(&wire.socket), -EBADF);
    wire_close(&wire);
}

/* A read that began in one executor, and was not dropped there, goes on in another. */
struct outlives {
    struct wire wire;
    struct socket_read read;
    struct probe probe;
    char byte;
};

static void body_begin_read(void *arg)
{
    struct outlives *self = arg;
    assert_int_equal(poll_with(&self->read, &self->probe), POLL_PENDING);
}

static void body_finish_read(void *arg)
{
    struct outlives *self = arg;

    body_begin_read(self);
    peer_send(&self->wire, "x");
    turn(-1);
    assert_int_equal(self->probe.wakes, 1);
    assert_int_equal(poll_with(&self->read, &self->probe), POLL_READY);
    assert_int_equal(self->read.output, 1);
}

static void test_reads_outlive_their_executor(void **state)
{
    struct outlives goes_on = {.wire = wire_local()}, dropped = {.wire = wire_local()};

    (void)state;
    goes_on.read = socket_read(&goes_on.wire.socket, &goes_on.byte, 1);
    dropped.read = socket_read(&dropped.wire.socket, &dropped.byte, 1);
    inside(body_begin_read, &goes_on);
    inside(body_begin_read, &dropped);
    inside(body_finish_read, &goes_on);
    future_drop(&goes_on.read.base);
    future_drop(&dropped.read.base);
    assert_int_equal(goes_on.probe.held + dropped.probe.held, 0);
    wire_close(&goes_on.wire);
    wire_close(&dropped.wire);
}

static void test_a_reactor_opens_whole_or_not_at_all(void **state)
{
    static const enum call needs[] = {CALL_EPOLL_CREATE, CALL_EVENTFD, CALL_EPOLL_CTL};
    struct reactor reactor;

    (void)state;
    for (int i = 0; i < 3; i++) {
        int before = descriptors_open();
        call_fails(needs[i], 0, 1, EMFILE);
        assert_int_equal(reactor_init(&reactor), -EMFILE);
        assert_int_equal(descriptors_open(), before);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_reads_go_on_until_one_would_block),
        TEST(test_nothing_falls_between_would_block_and_the_wait),
        TEST(test_each_direction_wakes_its_own_waiter),
        TEST(test_who_would_block_in_one_direction_goes_on_in_the_other),
        TEST(test_the_waker_of_the_latest_poll_is_used),
        TEST(test_polling_again_leaves_one_waker),
        TEST(test_closing_b_while_its_event_is_in_the_batch),
        TEST(test_a_reader_closes_the_source_that_woke_it),
        TEST(test_who_is_woken_by_a_close_finds_it_closed),
        TEST(test_a_duplicate_does_not_fire_after_the_close),
        TEST(test_a_hangup_or_an_error_wakes_both),
        TEST(test_a_hangup_is_remembered_for_who_comes_later),
        TEST(test_an_interrupted_wait_is_no_event),
        TEST(test_an_executor_survives_interrupted_waits),
        TEST(test_limits_in_nanoseconds),
        TEST(test_limits_in_milliseconds_are_rounded_up),
        TEST(test_a_nudge_before_the_wait_ends_it),
        TEST(test_a_nudge_ends_the_wait),
        TEST(test_many_sources),
        TEST(test_slots_are_used_again),
        TEST(test_one_registration_and_one_wait_per_event),
        TEST(test_registered_once_for_each_direction),
        TEST(test_who_never_waits_is_never_registered),
        TEST(test_a_busy_task_does_not_shut_out_the_kernel),
        TEST(test_a_busy_task_does_not_shut_out_timers),
        TEST(test_a_busy_task_does_not_shut_out_other_threads),
        TEST(test_a_busy_executor_rarely_calls_the_kernel),
        TEST(test_sockets_outlive_their_executor),
        TEST(test_reads_outlive_their_executor),
        TEST(test_a_reactor_opens_whole_or_not_at_all),
    };
    return cmocka_run_group_tests_name("reactor", tests, NULL, NULL);
}
