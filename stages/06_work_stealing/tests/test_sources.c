/* LINK: @tests/support.link -Wl,--wrap=recv,--wrap=send */
/* Descriptors and timers when there are several workers: who hears of an event, and that nothing is lost when two workers
 * have to do with the same socket or the same sleep. */
#define _GNU_SOURCE
#include "support.h"

#include "net.h"
#include "timer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct runtime rt;

static struct socket ends[2]; /* of a connection: ours, and the peer's */

/* --- how often the runtime reads and writes at our end --- */

static atomic_uint reads, writes;

ssize_t __real_recv(int fd, void *buffer, size_t room, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t count, int flags);
ssize_t __wrap_recv(int fd, void *buffer, size_t room, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags);

ssize_t __wrap_recv(int fd, void *buffer, size_t room, int flags)
{
    if (fd == source_fd(&ends[0].source))
        atomic_fetch_add(&reads, 1);
    return __real_recv(fd, buffer, room, flags);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags)
{
    if (fd == source_fd(&ends[0].source))
        atomic_fetch_add(&writes, 1);
    return __real_send(fd, bytes, count, flags);
}

/* --- a task that reads bytes, by default one by one --- */

struct notes {
    int count;   /* input: of bytes to read */
    size_t room; /* input: for how many at once */
    atomic_uint polls, worker;
    atomic_int result, drops; /* result: 0, or -errno */
    atomic_int came;
};

struct reader {
    struct future base;
    struct socket *socket;
    struct notes *notes;
    char bytes[16];
    bool reading;
    struct socket_read read;
};

static enum poll reader_poll(struct future *f, struct context *cx)
{
    struct reader *self = (struct reader *)f;

    atomic_store(&self->notes->worker, runtime_worker());
    atomic_fetch_add(&self->notes->polls, 1);
    for (;;) {
        if (!self->reading)
            self->read = socket_read(self->socket, self->bytes, self->notes->room);
        self->reading = true;
        if (future_poll(&self->read.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        ssize_t got = self->read.output;
        future_drop(&self->read.base);
        self->reading = false;
        if (got <= 0)
            atomic_store(&self->notes->result, (int)got);
        if (got <= 0 || atomic_fetch_add(&self->notes->came, (int)got) + got == self->notes->count)
            return POLL_READY;
    }
}

static void reader_drop(struct future *f)
{
    struct reader *self = (struct reader *)f;

    if (self->reading)
        future_drop(&self->read.base);
    atomic_fetch_add(&self->notes->drops, 1);
}

FUTURE_TYPE(reader, reader_poll, reader_drop);

static void reader_spawn_with(struct socket *socket, struct notes *notes, int count, size_t room)
{
    struct reader new = {.socket = socket, .notes = notes};

    memset(notes, 0, sizeof *notes);
    notes->count = count;
    notes->room = room;
    future_init(&new.base, &reader_type);
    assert_int_equal(task_spawn(&rt, &new, NULL), 0);
}

static void reader_spawn(struct socket *socket, struct notes *notes, int count)
{
    reader_spawn_with(socket, notes, count, 1);
}

static void connect_pair(struct socket *pair)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    pair[0] = socket_from_fd(fds[0]);
    pair[1] = socket_from_fd(fds[1]);
}

static void close_pair(struct socket *pair)
{
    socket_close(&pair[0]);
    socket_close(&pair[1]);
}

static void send_byte(void *socket)
{
    sure(send(source_fd(&((struct socket *)socket)->source), "x", 1, 0) == 1);
}

/* A runtime with two workers; then something that is done on worker 1 only, as the other one is busy. */
static void begin_two(void)
{
    assert_int_equal(runtime_init(&rt, 2), 0);
}

static void end_puppet(struct strings *puppet)
{
    puppet_end(puppet);
    wait_until(puppet->drops == 1);
}

static void reader_spawn_on_1(struct socket *socket, struct notes *notes, int count)
{
    struct strings *second = puppet_spawn_on(&rt, 2);
    reader_spawn(socket, notes, count);
    wait_until(notes->polls == 1 && workers_asleep(&rt) == 1);
    assert_int_equal(notes->worker, 1);
    end_puppet(second);
    wait_until(workers_asleep(&rt) == 2);
}

/* --- the watch --- */

static void test_an_event_of_a_busy_worker(void **state)
{
    struct notes notes;

    (void)state;
    connect_pair(ends);
    begin_two();
    reader_spawn_on_1(&ends[0], &notes, 1);
    struct strings *first = puppet_spawn_on(&rt, 1);
    wait_until(workers_asleep(&rt) == 1);
    send_byte(&ends[1]);
    wait_until(notes.drops == 1); /* while worker 1 is busy */
    assert_int_equal(notes.came, 1);
    assert_int_equal(notes.worker, 2);
    end_puppet(first);
    runtime_destroy(&rt);
    close_pair(ends);
}

/* More of them than a turn of the reactor takes, and the watch reports that only once. */
enum { MANY = 300 };

static void test_many_events_at_once(void **state)
{
    static struct socket pairs[MANY][2];
    static struct notes notes[MANY];
    struct strings busy[2];

    (void)state;
    begin_two();
    struct strings *second = puppet_spawn_on(&rt, 2);
    for (int i = 0; i < MANY; i++) {
        connect_pair(pairs[i]);
        reader_spawn(&pairs[i][0], &notes[i], 1);
    }
    for (int i = 0; i < MANY; i++)
        wait_until(notes[i].polls == 1);
    end_puppet(second);
    for (int i = 0; i < 2; i++)
        puppet_spawn(&rt, &busy[i], NULL);
    for (int i = 0; i < MANY; i++)
        send_byte(&pairs[i][1]);
    for (int i = 0; i < 2; i++)
        puppet_end(&busy[busy[i].worker == 1]); /* so that worker 2 is the first to look */
    for (int i = 0; i < MANY; i++)
        wait_until(notes[i].drops == 1);
    runtime_destroy(&rt);
    for (int i = 0; i < MANY; i++)
        close_pair(pairs[i]);
}

static void test_a_single_worker_needs_no_watch(void **state)
{
    struct notes notes;

    (void)state;
    connect_pair(ends);
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(calls_made(CALL_EPOLL_CREATE), 1);
    reader_spawn(&ends[0], &notes, 1);
    wait_until(notes.polls == 1 && workers_asleep(&rt) == 1);
    unsigned waits = calls_made(CALL_EPOLL_WAIT);
    send_byte(&ends[1]);
    wait_until(notes.drops == 1 && workers_asleep(&rt) == 1);
    assert_int_equal(calls_made(CALL_EPOLL_WAIT), waits + 1); /* there, and asleep again */
    runtime_destroy(&rt);
    close_pair(ends);
}

/* A busy worker, whose tasks always give way, hears of its own descriptors although nobody is idle. */
static void test_a_busy_worker_looks_itself(void **state)
{
    struct tally spins = {0};
    struct notes notes;

    (void)state;
    connect_pair(ends);
    begin_two();
    reader_spawn_on_1(&ends[0], &notes, 1);
    struct strings *second = puppet_spawn_on(&rt, 2);
    struct script spinner = script(&spins, spin_step, NULL);
    assert_int_equal(task_spawn(&rt, &spinner, NULL), 0);
    wait_until(spins.polls > 0);
    send_byte(&ends[1]);
    wait_until(notes.drops == 1);
    assert_int_equal(notes.worker, 1);
    end_puppet(second);
    runtime_destroy(&rt);
    close_pair(ends);
}

/* --- an event between a call that would block and the note of it --- */

static void send_and_wait_for_ready(void *unused)
{
    unsigned before = seen(TRACE_READY);

    (void)unused;
    send_byte(&ends[1]);
    wait_until(seen(TRACE_READY) > before); /* the other worker has handled it */
}

static void at_the_second_call(void *unused)
{
    (void)unused;
    at_point(TRACE_SYSCALL_END, TRACE_CALL_RECV, send_and_wait_for_ready, NULL);
}

static void test_an_event_before_the_mark_is_cleared(void **state)
{
    struct notes notes;

    (void)state;
    connect_pair(ends);
    begin_two();
    reader_spawn_on_1(&ends[0], &notes, 2);
    at_point(TRACE_SYSCALL_END, TRACE_CALL_RECV, at_the_second_call, NULL);
    send_byte(&ends[1]);          /* its first byte; the call for the second would block */
    wait_until(notes.drops == 1); /* but then that comes */
    assert_int_equal(notes.came, 2);
    runtime_destroy(&rt);
    close_pair(ends);
}

/* The same with nobody to notice it but the task itself: the socket is not registered yet. */
static void test_bytes_that_come_before_the_registration(void **state)
{
    struct notes notes;

    (void)state;
    connect_pair(ends);
    begin_two();
    at_point(TRACE_SYSCALL_END, TRACE_CALL_RECV, send_byte, &ends[1]);
    reader_spawn(&ends[0], &notes, 1);
    wait_until(notes.drops == 1);
    assert_int_equal(notes.came, 1);
    runtime_destroy(&rt);
    close_pair(ends);
}

/* --- a read that leaves room --- */

enum { AMPLE = 16 };

/* A reader with room for more than comes waits on a worker that is alone. */
static void begin_ample(struct notes *notes, int count)
{
    assert_int_equal(runtime_init(&rt, 1), 0);
    reader_spawn_with(&ends[0], notes, count, AMPLE);
    wait_until(notes->polls == 1 && workers_asleep(&rt) == 1);
}

static void end_ample(struct notes *notes)
{
    wait_until(notes->drops == 1);
    runtime_destroy(&rt);
    close_pair(ends);
}

static void test_a_read_that_leaves_room_is_the_last(void **state)
{
    struct notes notes;

    (void)state;
    connect_pair(ends);
    begin_ample(&notes, 2);
    atomic_store(&reads, 0);
    send_byte(&ends[1]);
    wait_until(notes.came == 1 && workers_asleep(&rt) == 1);
    assert_int_equal(reads, 1);
    send_byte(&ends[1]);
    end_ample(&notes);
    assert_int_equal(reads, 2);
}

static void test_a_read_that_fills_its_room_is_not(void **state)
{
    struct notes notes;

    (void)state;
    connect_pair(ends);
    begin_ample(&notes, AMPLE + 1);
    assert_int_equal(send(source_fd(&ends[1].source), "seventeen letters", AMPLE + 1, 0), AMPLE + 1);
    end_ample(&notes);
}

/* What happens at the peer's end while our worker is busy is one event. */
static void begin_busy(struct notes *notes, struct strings *busy, int count)
{
    begin_ample(notes, count);
    puppet_spawn(&rt, busy, NULL);
}

static void test_the_end_in_the_event_of_the_bytes(void **state)
{
    struct strings busy;
    struct notes notes;

    (void)state;
    connect_pair(ends);
    begin_busy(&notes, &busy, 2);
    send_byte(&ends[1]);
    assert_int_equal(shutdown(source_fd(&ends[1].source), SHUT_WR), 0);
    end_puppet(&busy);
    end_ample(&notes);
    assert_int_equal(seen(TRACE_READY), 1);
    assert_int_equal(notes.came, 1);
    assert_int_equal(notes.result, 0);
}

static void shut_peer(void *unused)
{
    (void)unused;
    sure(shutdown(source_fd(&ends[1].source), SHUT_WR) == 0);
}

/* The event is in the worker's hands, and tells of bytes only. */
static void test_the_end_between_the_event_and_the_read(void **state)
{
    struct notes notes;

    (void)state;
    connect_pair(ends);
    begin_ample(&notes, 2);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_RECV, shut_peer, NULL);
    send_byte(&ends[1]);
    end_ample(&notes);
    assert_int_equal(seen(TRACE_READY), 2);
    assert_int_equal(notes.came, 1);
}

static void test_the_end_after_the_read(void **state)
{
    struct notes notes;

    (void)state;
    connect_pair(ends);
    begin_ample(&notes, 2);
    send_byte(&ends[1]);
    wait_until(notes.came == 1 && workers_asleep(&rt) == 1);
    shut_peer(NULL);
    end_ample(&notes);
    assert_int_equal(notes.came, 1);
}

static void shut_and_wait_for_ready(void *unused)
{
    unsigned before = seen(TRACE_READY);

    shut_peer(unused);
    wait_until(seen(TRACE_READY) > before);
}

/* The byte is read, nothing is marked yet, and the other worker handles the next event. */
static void event_between_the_read_and_the_mark(struct notes *notes, action *act)
{
    connect_pair(ends);
    begin_two();
    reader_spawn_with(&ends[0], notes, 2, AMPLE);
    wait_until(notes->polls == 1 && workers_asleep(&rt) == 2);
    at_point(TRACE_SYSCALL_END, TRACE_CALL_RECV, act, NULL);
    send_byte(&ends[1]);
    end_ample(notes);
}

static void test_bytes_between_the_read_and_the_mark(void **state)
{
    struct notes notes;

    (void)state;
    event_between_the_read_and_the_mark(&notes, send_and_wait_for_ready);
    assert_int_equal(notes.came, 2);
}

static void test_the_end_between_the_read_and_the_mark(void **state)
{
    struct notes notes;

    (void)state;
    event_between_the_read_and_the_mark(&notes, shut_and_wait_for_ready);
    assert_int_equal(notes.came, 1);
    assert_int_equal(notes.result, 0);
}

static void connect_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(listen(listener, 1), 0); /* on any port */
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(peer, (struct sockaddr *)&address, size), 0);
    ends[0] = socket_from_fd(accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    ends[1] = socket_from_fd(peer);
    close(listener);
}

static void test_a_reset_in_the_event_of_the_bytes(void **state)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    struct strings busy;
    struct notes notes;

    (void)state;
    connect_tcp();
    begin_busy(&notes, &busy, 2);
    send_byte(&ends[1]);
    assert_int_equal(setsockopt(source_fd(&ends[1].source), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    socket_close(&ends[1]);
    end_puppet(&busy);
    end_ample(&notes);
    assert_int_equal(notes.came, 1);
    assert_int_equal(notes.result, -ECONNRESET);
}

/* A read stops before an urgent byte, however much room it has; the next one leaves that out. */
static void test_bytes_behind_an_urgent_one(void **state)
{
    struct strings busy;
    struct notes notes;

    (void)state;
    connect_tcp();
    begin_busy(&notes, &busy, 2);
    send_byte(&ends[1]);
    assert_int_equal(send(source_fd(&ends[1].source), "!", 1, MSG_OOB), 1);
    send_byte(&ends[1]);
    end_puppet(&busy);
    end_ample(&notes);
    assert_int_equal(notes.came, 2);
}

/* --- one socket, two tasks --- */

struct writer {
    struct future base;
    struct socket_write write;
    atomic_uint *worker, *over;
};

static enum poll writer_poll(struct future *f, struct context *cx)
{
    struct writer *self = (struct writer *)f;

    atomic_store(self->worker, runtime_worker());
    if (future_poll(&self->write.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    sure(self->write.output == (ssize_t)self->write.count);
    atomic_store(self->over, 1);
    return POLL_READY;
}

static void writer_drop(struct future *f)
{
    future_drop(&((struct writer *)f)->write.base);
}

FUTURE_TYPE(writer, writer_poll, writer_drop);

static char bulk[1 << 20];

static void *drain_and_answer(void *arg)
{
    int fd = source_fd(&ends[1].source);
    size_t came = 0;

    while (came < sizeof bulk) {
        ssize_t got = recv(fd, arg, 4096, 0);
        sure(got > 0 || errno == EAGAIN);
        came += got > 0 ? (size_t)got : 0;
    }
    send_byte(&ends[1]);
    return NULL;
}

static void test_a_reader_and_a_writer_on_two_workers(void **state)
{
    struct notes notes;
    atomic_uint worker = 0, over = 0;
    char room[4096];
    pthread_t peer;

    (void)state;
    connect_pair(ends);
    begin_two();
    reader_spawn_on_1(&ends[0], &notes, 1);
    struct strings *first = puppet_spawn_on(&rt, 1);
    atomic_store(&writes, 0);
    struct writer new = {.write = socket_write(&ends[0], bulk, sizeof bulk), .worker = &worker, .over = &over};
    future_init(&new.base, &writer_type);
    assert_int_equal(task_spawn(&rt, &new, NULL), 0);
    wait_until(worker == 2 && workers_asleep(&rt) == 1); /* it can write no more for now */
    assert_int_equal(writes, 1);                         /* as a write that was cut short has said */
    assert_int_equal(pthread_create(&peer, NULL, drain_and_answer, room), 0);
    wait_until(over == 1);
    wait_until(notes.drops == 1);
    assert_int_equal(notes.came, 1);
    pthread_join(peer, NULL);
    end_puppet(first);
    runtime_destroy(&rt);
    close_pair(ends);
}

/* --- closing --- */

static void test_a_close_on_another_thread(void **state)
{
    struct notes notes;

    (void)state;
    connect_pair(ends);
    begin_two();
    reader_spawn_on_1(&ends[0], &notes, 1);
    assert_int_equal(socket_close(&ends[0]), 0);
    wait_until(notes.drops == 1);
    assert_int_equal(notes.result, -EBADF);
    runtime_destroy(&rt);
    assert_int_equal(socket_close(&ends[0]), -EBADF);
    socket_close(&ends[1]);
}

static void close_first(void *unused)
{
    (void)unused;
    socket_close(&ends[0]);
}

/* Another thread closes it while its event is in a worker's hands: the event is stale, and the reader hears of the close
 * and of nothing else. */
static void test_a_close_while_the_event_is_on_its_way(void **state)
{
    struct notes notes;

    (void)state;
    connect_pair(ends);
    assert_int_equal(runtime_init(&rt, 1), 0);
    reader_spawn(&ends[0], &notes, 1);
    wait_until(notes.polls == 1 && workers_asleep(&rt) == 1);
    at_point(TRACE_SYSCALL_END, TRACE_CALL_EPOLL_WAIT, close_first, NULL);
    send_byte(&ends[1]);
    wait_until(notes.drops == 1);
    assert_int_equal(notes.result, -EBADF);
    assert_int_equal(seen(TRACE_READY), 0);
    runtime_destroy(&rt);
    socket_close(&ends[1]);
}

/* --- timers --- */

static struct sleep shared; /* that two tasks poll, one after the other */
static uint64_t shared_deadline;

/* While it is queued. */
static uint64_t deadline_of(const struct sleep *sleep)
{
    return sleep->timer.reactor->timers.entries[timer_place(&sleep->timer)].deadline;
}

static enum poll begin_sleep_step(struct script *self, struct context *cx)
{
    (void)self;
    shared = sleep_for(MILLISECONDS(30));
    sure(future_poll(&shared.base, cx) == POLL_PENDING);
    shared_deadline = deadline_of(&shared);
    return POLL_READY;
}

static enum poll go_on_sleeping_step(struct script *self, struct context *cx)
{
    (void)self;
    return future_poll(&shared.base, cx);
}

/* Returns once it has been polled there. */
static struct join_handle run_on(unsigned worker, enum poll (*step)(struct script *self, struct context *cx))
{
    static struct tally tally;
    struct strings *other = puppet_spawn_on(&rt, 3 - worker);
    struct script task = script(&tally, step, NULL);
    struct join_handle handle;

    atomic_store(&tally.polls, 0);
    assert_int_equal(task_spawn(&rt, &task, &handle), 0);
    wait_until(tally.polls == 1);
    end_puppet(other);
    return handle;
}

static void join_and_drop(struct join_handle handle)
{
    assert_int_equal(runtime_block_on(&rt, &handle), 0);
    future_drop(&handle.base);
}

/* Its timer is in worker 1's reactor; the second task, which worker 2 polls, is woken. */
static void test_a_sleep_goes_on_on_another_worker(void **state)
{
    (void)state;
    begin_two();
    join_and_drop(run_on(1, begin_sleep_step));
    join_and_drop(run_on(2, go_on_sleeping_step));
    assert_true(trace_now() >= shared_deadline);
    assert_int_equal(seen(TRACE_TIMER_ADD), 1); /* it did not begin anew */
    future_drop(&shared.base);
    runtime_destroy(&rt);
}

static enum poll begin_long_sleep_step(struct script *self, struct context *cx)
{
    (void)self;
    shared = sleep_for(MILLISECONDS(3600000));
    sure(future_poll(&shared.base, cx) == POLL_PENDING);
    return POLL_READY;
}

static void test_a_sleep_is_dropped_on_another_thread(void **state)
{
    (void)state;
    begin_two();
    join_and_drop(run_on(1, begin_long_sleep_step));
    future_drop(&shared.base);
    assert_int_equal(seen(TRACE_TIMER_CANCEL), 1);
    runtime_destroy(&rt);
}

static enum poll begin_short_sleep_step(struct script *self, struct context *cx)
{
    (void)self;
    shared = sleep_for(MILLISECONDS(5));
    sure(future_poll(&shared.base, cx) == POLL_PENDING);
    return POLL_READY;
}

static void begin_sleep_and_end(enum poll (*step)(struct script *self, struct context *cx))
{
    begin_two();
    join_and_drop(run_on(2, step));
    runtime_destroy(&rt);
}

/* It can be dropped, or sleep on in another runtime: as long as it was told to, and no shorter. */
static void test_a_sleep_outlives_its_runtime(void **state)
{
    struct tally tally = {0};

    (void)state;
    begin_sleep_and_end(begin_long_sleep_step);
    future_drop(&shared.base);
    begin_sleep_and_end(begin_sleep_step);
    begin_two();
    struct script task = script(&tally, go_on_sleeping_step, NULL);
    assert_int_equal(runtime_block_on(&rt, &task), 0);
    assert_true(trace_now() >= shared_deadline);
    future_drop(&task.base);
    future_drop(&shared.base);
    runtime_destroy(&rt);
}

/* Its time has come, nobody has asked it since, and then the runtime ends. */
static void test_a_sleep_that_is_over_outlives_its_runtime(void **state)
{
    (void)state;
    begin_two();
    join_and_drop(run_on(1, begin_short_sleep_step));
    wait_until(timer_has_fired(&shared.timer));
    runtime_destroy(&rt);
    future_drop(&shared.base);
}

/* --- misuse --- */

static struct socket_read shared_read;

static void poll_shared_read(void *unused)
{
    static struct probe probe;

    (void)unused;
    poll_with(&shared_read, &probe);
}

static void wait_in_two_runtimes(void *unused)
{
    static char byte;
    struct runtime another;

    connect_pair(ends);
    begin_two();
    sure(runtime_init(&another, 1) == 0);
    HERE, shared_read = socket_read(&ends[0], &byte, 1);
    inside(&rt, poll_shared_read, unused);
    inside(&another, poll_shared_read, unused);
}

static void test_another_runtimes_reactor(void **state)
{
    (void)state;
    expect_misuse(wait_in_two_runtimes, __FILE__, "descriptor * is registered with the reactor of another runtime");
}

static void poll_shared_sleep(void *unused)
{
    static struct probe probe;

    (void)unused;
    poll_with(&shared, &probe);
}

static void sleep_in_two_runtimes(void *unused)
{
    struct runtime another;

    begin_two();
    sure(runtime_init(&another, 1) == 0);
    HERE, shared = sleep_for(MILLISECONDS(3600000));
    inside(&rt, poll_shared_sleep, unused);
    inside(&another, poll_shared_sleep, unused);
}

static void test_a_sleep_in_two_runtimes(void **state)
{
    (void)state;
    expect_misuse(sleep_in_two_runtimes, __FILE__, "a sleep that began in one runtime is polled in another");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_an_event_of_a_busy_worker),
        TEST(test_many_events_at_once),
        TEST(test_a_single_worker_needs_no_watch),
        TEST(test_a_busy_worker_looks_itself),
        TEST(test_an_event_before_the_mark_is_cleared),
        TEST(test_bytes_that_come_before_the_registration),
        TEST(test_a_read_that_leaves_room_is_the_last),
        TEST(test_a_read_that_fills_its_room_is_not),
        TEST(test_the_end_in_the_event_of_the_bytes),
        TEST(test_the_end_between_the_event_and_the_read),
        TEST(test_the_end_after_the_read),
        TEST(test_bytes_between_the_read_and_the_mark),
        TEST(test_the_end_between_the_read_and_the_mark),
        TEST(test_a_reset_in_the_event_of_the_bytes),
        TEST(test_bytes_behind_an_urgent_one),
        TEST(test_a_reader_and_a_writer_on_two_workers),
        TEST(test_a_close_on_another_thread),
        TEST(test_a_close_while_the_event_is_on_its_way),
        TEST(test_a_sleep_goes_on_on_another_worker),
        TEST(test_a_sleep_is_dropped_on_another_thread),
        TEST(test_a_sleep_outlives_its_runtime),
        TEST(test_a_sleep_that_is_over_outlives_its_runtime),
        TEST(test_another_runtimes_reactor),
        TEST(test_a_sleep_in_two_runtimes),
    };
    return cmocka_run_group_tests_name("sources", tests, NULL, NULL);
}
