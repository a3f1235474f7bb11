/* LINK: -Wl,--wrap=malloc,--wrap=free */
/* The mpsc channel: every value that was sent is received once, in order, with however many senders, wherever one of
 * them or the receiver gives up. */
#include "support_async.h"

#include "mpsc.h"

#include <errno.h>

static struct mpsc ch;
static struct counter somebody;
static uint64_t got;

/* --- memory: how many blocks are about, and the next one may not be had --- */

static atomic_int blocks;
static atomic_bool malloc_fails;

void *__real_malloc(size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size)
{
    if (atomic_load(&malloc_fails))
        return NULL;
    atomic_fetch_add(&blocks, 1);
    void *memory = __real_malloc(size);
    memset(memory, 0xdb, size);
    return memory;
}

void __wrap_free(void *memory)
{
    if (memory)
        atomic_fetch_sub(&blocks, 1);
    __real_free(memory);
}

/* --- --- */

static void begin(uint32_t capacity)
{
    somebody = (struct counter){0};
    assert_int_equal(mpsc_init(&ch, capacity, sizeof got), 0);
}

static void end(void)
{
    mpsc_destroy(&ch);
    assert_int_equal(blocks, 0);
    assert_int_equal(somebody.held, 0);
}

static int send_now(uint64_t value)
{
    return mpsc_try_send(&ch, &value);
}

static void receives(uint64_t value)
{
    assert_int_equal(mpsc_try_recv(&ch, &got), 0);
    assert_int_equal(got, value);
}

/* How many values fit in after so many were received: room is given back with the first value of each group. */
static uint64_t fitting(uint32_t capacity, uint64_t received)
{
    uint64_t group = capacity < 32 ? 1 : capacity < 1024 ? capacity / 16 : 64;
    return capacity + (group - received % group) % group;
}

/* Over several blocks, with so many values in it at once; as many as fit, if that is the capacity. */
static void in_order(uint32_t capacity, uint64_t at_once)
{
    uint64_t sent = 0, received = 0;

    begin(capacity);
    for (int round = 0; round < 40; round++) {
        while (sent < received + (capacity == at_once ? fitting(capacity, received) : at_once))
            assert_int_equal(send_now(sent++), 0);
        if (capacity == at_once)
            assert_int_equal(send_now(sent), -EAGAIN);
        for (uint64_t n = 0; n < 1 + at_once / 2; n++)
            receives(received++);
    }
    while (received < sent)
        receives(received++);
    assert_int_equal(mpsc_try_recv(&ch, &got), -EAGAIN);
    mpsc_drop_sender(&ch);
    assert_int_equal(mpsc_try_recv(&ch, &got), -EPIPE);
    end();
}

static void test_in_order(void **state)
{
    (void)state;
    in_order(1, 1);
    in_order(3, 3);
    in_order(31, 31);
    in_order(32, 32);
    in_order(500, 500);
    in_order(5000, 5000);
    in_order(1000, 100);
    in_order(MPSC_UNBOUNDED, 1);
    in_order(MPSC_UNBOUNDED, 200);
}

/* Sends from `from` on, until there is no room; says how many. */
static uint64_t fill(uint64_t from)
{
    uint64_t n = 0;

    while (send_now(from + n) == 0)
        n++;
    assert_int_equal(send_now(0), -EAGAIN);
    return n;
}

/* Exact until the first receive, and ever so with a small capacity. With others that one makes room for a whole group,
 * and the next in the group make none. */
static void room_is(uint32_t capacity, uint64_t group)
{
    uint64_t sent = 0, received = 0;

    begin(capacity);
    assert_int_equal(sent += fill(0), capacity);
    for (int round = 0; round < 3; round++) {
        for (uint64_t n = 0; n < group; n++) {
            receives(received++);
            uint64_t more = fill(sent);
            assert_int_equal(more, n == 0 ? group : 0);
            sent += more;
        }
    }
    assert_int_equal(sent - received, capacity);
    mpsc_drop_sender(&ch);
    end();
}

static void test_room(void **state)
{
    (void)state;
    room_is(1, 1);
    room_is(31, 1);
    room_is(32, 2);
    room_is(100, 6);
    room_is(1023, 63);
    room_is(1024, 64);
    room_is(5000, 64);
}

/* Values of other sizes: all of their bytes arrive, and no others are touched. */
static void size_is_right(size_t size)
{
    unsigned char value[40], out[41];
    struct mpsc channel;

    assert_int_equal(mpsc_init(&channel, 3, size), 0);
    for (unsigned n = 0; n < 100; n++) {
        memset(value, (int)n, sizeof value);
        memset(out, 0xee, sizeof out);
        assert_int_equal(mpsc_try_send_at(&channel, value, size, SITE("")), 0);
        assert_int_equal(mpsc_try_recv_at(&channel, out, size, SITE("")), 0);
        assert_memory_equal(value, out, size);
        assert_int_equal(out[size], 0xee);
    }
    mpsc_drop_sender(&channel);
    mpsc_destroy(&channel);
}

static void test_sizes(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 40; size++)
        size_is_right(size);
}

/* --- the receiver waits --- */

static void test_the_receiver_is_woken(void **state)
{
    (void)state;
    for (int polls = 1; polls < 5; polls++) {
        struct counter counters[2] = {0};
        uint64_t value = 5;
        begin(2);
        struct mpsc_recv recv = mpsc_recv(&ch, &got);
        for (int n = 0; n < polls; n++) {
            assert_int_equal(poll_by(&recv, &counters[n / 2 % 2]), POLL_PENDING);
            assert_int_equal(counters[n / 2 % 2].held, 1);
            assert_int_equal(counters[1 - n / 2 % 2].held, 0);
        }
        struct mpsc_send send = mpsc_send(&ch, &value);
        assert_int_equal(poll_by(&send, &somebody), POLL_READY);
        assert_int_equal(send.output, 0);
        assert_int_equal(send_now(6), 0);
        assert_int_equal(counters[(polls - 1) / 2 % 2].wakes, 1); /* once, not for each value */
        assert_int_equal(counters[0].wakes + counters[1].wakes, 1);
        assert_int_equal(poll_by(&recv, &counters[0]), POLL_READY);
        assert_int_equal(recv.output, 0);
        assert_int_equal(got, 5);
        assert_int_equal(counters[0].held + counters[1].held, 0);
        receives(6);
        mpsc_drop_sender(&ch);
        end();
    }
}

static void test_the_receiver_learns_of_the_end(void **state)
{
    (void)state;
    begin(2);
    mpsc_add_sender(&ch);
    struct mpsc_recv recv = mpsc_recv(&ch, &got);
    assert_int_equal(poll_by(&recv, &somebody), POLL_PENDING);
    mpsc_drop_sender(&ch);
    assert_int_equal(somebody.wakes, 0);
    mpsc_drop_sender(&ch);
    assert_int_equal(somebody.wakes, 1);
    assert_int_equal(poll_by(&recv, &somebody), POLL_READY);
    assert_int_equal(recv.output, -EPIPE);
    end();
}

/* Dropped after so many polls, before or after a value came: the next receive gets it. */
static void drop_receive(int polls, bool sent)
{
    begin(2);
    struct mpsc_recv recv = mpsc_recv(&ch, &got);
    for (int n = 0; n < polls; n++)
        assert_int_equal(poll_by(&recv, &somebody), POLL_PENDING);
    if (sent)
        assert_int_equal(send_now(8), 0);
    future_drop(&recv.base);
    assert_int_equal(somebody.held, 0);
    if (!sent)
        assert_int_equal(send_now(8), 0);
    assert_int_equal(somebody.wakes, sent && polls > 0);
    recv = mpsc_recv(&ch, &got);
    assert_int_equal(poll_by(&recv, &somebody), POLL_READY);
    assert_int_equal(got, 8);
    recv = mpsc_recv(&ch, &got);
    assert_int_equal(poll_by(&recv, &somebody), POLL_PENDING);
    future_drop(&recv.base);
    mpsc_drop_sender(&ch);
    end();
}

static void test_receive_dropped_at_every_step(void **state)
{
    (void)state;
    for (int polls = 0; polls < 3; polls++)
        for (int sent = 0; sent < 2; sent++)
            drop_receive(polls, sent);
}

/* --- senders wait --- */

static const uint64_t values[3] = {10, 11, 12};

/* A full channel of capacity 1, and three that wait to send. */
static void begin_full(struct mpsc_send *sends, struct counter *counters)
{
    begin(1);
    assert_int_equal(send_now(9), 0);
    for (int i = 0; i < 3; i++) {
        counters[i] = (struct counter){0};
        sends[i] = mpsc_send(&ch, &values[i]);
        assert_int_equal(poll_by(&sends[i], &counters[i]), POLL_PENDING);
    }
}

static void test_senders_in_order(void **state)
{
    (void)state;
    struct mpsc_send sends[3];
    struct counter counters[3];

    begin_full(sends, counters);
    receives(9);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++)
            assert_int_equal(counters[j].wakes, j <= i);
        assert_int_equal(send_now(1), -EAGAIN); /* nobody pushes in */
        assert_int_equal(mpsc_try_recv(&ch, &got), -EAGAIN);
        assert_int_equal(poll_by(&sends[i], &counters[i]), POLL_READY);
        assert_int_equal(sends[i].output, 0);
        receives(values[i]);
    }
    assert_int_equal(send_now(1), 0);
    mpsc_drop_sender(&ch);
    receives(1);
    end();
}

/* One of them gives up, before or after it was granted room: the others get through. */
static void drop_send(int who, int polls, bool granted)
{
    struct mpsc_send sends[3];
    struct counter counters[3], other = {0};

    begin_full(sends, counters);
    for (int n = 1; n < polls; n++)
        assert_int_equal(poll_by(&sends[who], n % 2 ? &other : &counters[who]), POLL_PENDING);
    if (!granted)
        future_drop(&sends[who].base);
    receives(9);
    if (granted)
        future_drop(&sends[who].base);
    for (int i = 0; i < 3; i++) {
        if (i == who)
            continue;
        assert_int_equal(counters[i].wakes, 1);
        assert_int_equal(poll_by(&sends[i], &counters[i]), POLL_READY);
        receives(values[i]);
        assert_int_equal(counters[i].held, 0);
    }
    assert_int_equal(counters[who].held + other.held, 0);
    assert_int_equal(send_now(1), 0);
    assert_int_equal(send_now(1), -EAGAIN);
    mpsc_drop_sender(&ch);
    end();
}

static void test_send_dropped_at_every_step(void **state)
{
    (void)state;
    for (int who = 0; who < 3; who++)
        for (int polls = 1; polls < 4; polls++)
            for (int granted = 0; granted < 2; granted++)
                drop_send(who, polls, granted);
}

/* --- groups: the first of 32 values makes room for two --- */

/* A full channel, and so many that wait to send. */
static void begin_crowd(uint32_t capacity, struct mpsc_send *sends, struct counter *counters, unsigned count)
{
    begin(capacity);
    assert_int_equal(fill(0), capacity);
    for (unsigned i = 0; i < count; i++) {
        counters[i] = (struct counter){0};
        sends[i] = mpsc_send(&ch, &values[0]);
        assert_int_equal(poll_by(&sends[i], &counters[i]), POLL_PENDING);
    }
}

static void expect_wakes(const struct counter *counters, unsigned count, unsigned woken)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(counters[i].wakes, i < woken);
}

static void sends_now(struct mpsc_send *send, struct counter *counter)
{
    assert_int_equal(poll_by(send, counter), POLL_READY);
    assert_int_equal(send->output, 0);
    assert_int_equal(counter->held, 0);
}

static void test_senders_served_by_the_group(void **state)
{
    (void)state;
    struct mpsc_send sends[3];
    struct counter counters[3];

    begin_crowd(32, sends, counters, 3);
    receives(0);
    expect_wakes(counters, 3, 2);
    receives(1);
    expect_wakes(counters, 3, 2);
    receives(2);
    expect_wakes(counters, 3, 3);
    assert_int_equal(send_now(1), 0); /* what the third left of its group */
    assert_int_equal(send_now(1), -EAGAIN);
    for (int i = 0; i < 3; i++)
        sends_now(&sends[i], &counters[i]);
    mpsc_drop_sender(&ch);
    end();
}

/* More wait than are woken in one go, and there is room for more still. */
static void test_a_group_for_many(void **state)
{
    (void)state;
    enum { CROWD = 40 };
    static struct mpsc_send sends[CROWD];
    static struct counter counters[CROWD];

    begin_crowd(1024, sends, counters, CROWD);
    receives(0);
    expect_wakes(counters, CROWD, CROWD);
    assert_int_equal(fill(0), 64 - CROWD);
    for (int i = 0; i < CROWD; i++)
        sends_now(&sends[i], &counters[i]);
    assert_int_equal(send_now(1), -EAGAIN);
    mpsc_drop_sender(&ch);
    end();
}

static void test_room_of_a_dropped_send(void **state)
{
    (void)state;
    struct mpsc_send sends[3];
    struct counter counters[3];

    begin_crowd(32, sends, counters, 3);
    receives(0);
    future_drop(&sends[1].base);
    expect_wakes(counters, 3, 3);
    sends_now(&sends[0], &counters[0]);
    sends_now(&sends[2], &counters[2]);
    assert_int_equal(send_now(1), -EAGAIN);
    mpsc_drop_sender(&ch);
    end();
}

static void receive_and_give_up(void)
{
    struct mpsc_recv recv = mpsc_recv(&ch, &got);

    assert_int_equal(poll_by(&recv, &somebody), POLL_PENDING);
    future_drop(&recv.base);
}

/* A receive that was dropped gives no room back, and takes none: neither before a group, nor within one, whose room was
 * given back for values that nobody has sent yet. */
static void test_receive_dropped_around_a_group(void **state)
{
    (void)state;
    begin(100);
    receive_and_give_up();
    assert_int_equal(fill(0), 100);
    receives(0);
    assert_int_equal(fill(100), 6);
    for (uint64_t i = 1; i < 106; i++) {
        struct mpsc_recv recv = mpsc_recv(&ch, &got);
        future_drop(&recv.base);
        receives(i);
    }
    receive_and_give_up();
    assert_int_equal(fill(0), 100 + 2);
    mpsc_drop_sender(&ch);
    end();
}

/* Whoever waits fails, and all that is in the channel is received, beyond its capacity too. */
static void test_closed_within_a_group(void **state)
{
    (void)state;
    struct mpsc_send late;

    begin(100);
    assert_int_equal(fill(0), 100);
    receives(0);
    assert_int_equal(fill(100), 6);
    late = mpsc_send(&ch, &values[0]);
    assert_int_equal(poll_by(&late, &somebody), POLL_PENDING);
    mpsc_close(&ch);
    assert_int_equal(poll_by(&late, &somebody), POLL_READY);
    assert_int_equal(late.output, -EPIPE);
    for (uint64_t i = 1; i < 106; i++)
        receives(i);
    assert_int_equal(mpsc_try_recv(&ch, &got), -EPIPE);
    assert_int_equal(send_now(1), -EPIPE);
    mpsc_drop_sender(&ch);
    end();
}

/* --- the end --- */

static void test_closed(void **state)
{
    (void)state;
    struct mpsc_send sends[3];
    struct counter counters[3];

    begin_full(sends, counters);
    mpsc_close(&ch);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(counters[i].wakes, 1);
        if (i == 1) {
            future_drop(&sends[i].base);
            continue;
        }
        assert_int_equal(poll_by(&sends[i], &counters[i]), POLL_READY);
        assert_int_equal(sends[i].output, -EPIPE);
    }
    assert_int_equal(send_now(1), -EPIPE);
    receives(9);
    assert_int_equal(mpsc_try_recv(&ch, &got), -EPIPE);
    struct mpsc_recv recv = mpsc_recv(&ch, &got);
    assert_int_equal(poll_by(&recv, &somebody), POLL_READY);
    assert_int_equal(recv.output, -EPIPE);
    mpsc_drop_sender(&ch);
    end();
}

/* More wait than are woken in one go. */
static void test_closed_for_many(void **state)
{
    (void)state;
    enum { CROWD = 40 };
    struct mpsc_send sends[CROWD];
    struct counter counters[CROWD] = {0};

    begin(1);
    assert_int_equal(send_now(9), 0);
    for (int i = 0; i < CROWD; i++) {
        sends[i] = mpsc_send(&ch, &values[0]);
        assert_int_equal(poll_by(&sends[i], &counters[i]), POLL_PENDING);
    }
    mpsc_close(&ch);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(poll_by(&sends[i], &counters[i]), POLL_READY);
        assert_int_equal(sends[i].output, -EPIPE);
        assert_int_equal(counters[i].held, 0);
    }
    mpsc_drop_sender(&ch);
    end();
}

/* Closed between the grant and the poll. */
static void test_closed_after_a_grant(void **state)
{
    (void)state;
    struct mpsc_send sends[3];
    struct counter counters[3];

    begin_full(sends, counters);
    receives(9);
    mpsc_close(&ch);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(poll_by(&sends[i], &counters[i]), POLL_READY);
        assert_int_equal(sends[i].output, -EPIPE);
    }
    mpsc_drop_sender(&ch);
    assert_int_equal(mpsc_try_recv(&ch, &got), -EPIPE);
    end();
}

/* A block that cannot be had: the value stays with its sender, and the room is free again. */
static void test_no_memory(void **state)
{
    (void)state;
    struct mpsc none;

    atomic_store(&malloc_fails, true);
    assert_int_equal(mpsc_init(&none, 1, 8), -ENOMEM);
    atomic_store(&malloc_fails, false);
    begin(40);
    for (uint64_t i = 0; i < 31; i++)
        assert_int_equal(send_now(i), 0);
    atomic_store(&malloc_fails, true);
    struct mpsc_send send = mpsc_send(&ch, &values[0]);
    assert_int_equal(poll_by(&send, &somebody), POLL_READY);
    assert_int_equal(send.output, -ENOMEM);
    atomic_store(&malloc_fails, false);
    for (uint64_t i = 31; i < 40; i++)
        assert_int_equal(send_now(i), 0);
    assert_int_equal(send_now(40), -EAGAIN);
    for (uint64_t i = 0; i < 40; i++)
        receives(i);
    mpsc_drop_sender(&ch);
    end();
}

/* The same for one that was granted room: the next in line gets it. */
static void test_no_memory_after_a_grant(void **state)
{
    (void)state;
    struct mpsc_send sends[2];
    struct counter counters[2] = {0};

    begin(31);
    for (uint64_t i = 0; i < 31; i++)
        assert_int_equal(send_now(i), 0);
    for (int i = 0; i < 2; i++) {
        sends[i] = mpsc_send(&ch, &values[i]);
        assert_int_equal(poll_by(&sends[i], &counters[i]), POLL_PENDING);
    }
    receives(0);
    atomic_store(&malloc_fails, true);
    assert_int_equal(poll_by(&sends[0], &counters[0]), POLL_READY);
    assert_int_equal(sends[0].output, -ENOMEM);
    atomic_store(&malloc_fails, false);
    assert_int_equal(counters[1].wakes, 1);
    assert_int_equal(poll_by(&sends[1], &counters[1]), POLL_READY);
    assert_int_equal(sends[1].output, 0);
    mpsc_drop_sender(&ch);
    end();
}

/* --- the other side comes just in between --- */

static void send_seven(void *unused)
{
    (void)unused;
    assert_int_equal(send_now(7), 0);
}

static void drop_last_sender(void *unused)
{
    (void)unused;
    mpsc_drop_sender(&ch);
}

/* The receiver has looked, and is about to wait, for the first time or with another waker. */
static void between_look_and_wait(void (*act)(void *), int output, bool waits_already, enum trace_kind kind)
{
    struct counter other = {0};
    struct moment moment;

    begin(2);
    struct mpsc_recv recv = mpsc_recv(&ch, &got);
    if (waits_already)
        assert_int_equal(poll_by(&recv, &other), POLL_PENDING);
    moment_set(&moment, kind, act, NULL);
    assert_int_equal(poll_by(&recv, &somebody), POLL_READY);
    moment_came(&moment);
    assert_int_equal(recv.output, output);
    if (output == 0) {
        assert_int_equal(got, 7);
        mpsc_drop_sender(&ch);
    }
    assert_int_equal(other.held, 0);
    end();
}

static void test_between_look_and_wait(void **state)
{
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        between_look_and_wait(send_seven, 0, waits, TRACE_WAIT);
        between_look_and_wait(drop_last_sender, -EPIPE, waits, TRACE_WAIT);
    }
    between_look_and_wait(send_seven, 0, true, TRACE_WAIT_END);
    between_look_and_wait(drop_last_sender, -EPIPE, true, TRACE_WAIT_END);
}

/* A sender has claimed the slot and has yet to fill it, or the last one has yet to read the waker, when the receiver is
 * polled, by another task; or dropped and begun anew. */
static struct mpsc_recv meanwhile;
static struct counter meanwhile_counter;
static bool meanwhile_anew;

static void receive_meanwhile(void *unused)
{
    (void)unused;
    if (meanwhile_anew) {
        future_drop(&meanwhile.base);
        meanwhile = mpsc_recv(&ch, &got);
    }
    assert_int_equal(poll_by(&meanwhile, &meanwhile_counter), POLL_PENDING);
    assert_int_equal(meanwhile_counter.wakes, 1); /* it woke itself */
}

static void in_the_middle(void (*act)(void *), int output, bool anew)
{
    struct moment moment;

    begin(2);
    meanwhile_anew = anew;
    meanwhile_counter = (struct counter){0};
    meanwhile = mpsc_recv(&ch, &got);
    assert_int_equal(poll_by(&meanwhile, &somebody), POLL_PENDING);
    moment_set(&moment, TRACE_WAIT_END, receive_meanwhile, NULL);
    act(NULL);
    moment_came(&moment);
    assert_int_equal(poll_by(&meanwhile, &meanwhile_counter), POLL_READY);
    assert_int_equal(meanwhile.output, output);
    assert_int_equal(meanwhile_counter.held, 0);
    if (output == 0)
        mpsc_drop_sender(&ch);
    end();
}

static void test_in_the_middle_of_a_send(void **state)
{
    (void)state;
    for (int anew = 0; anew < 2; anew++) {
        in_the_middle(send_seven, 0, anew);
        in_the_middle(drop_last_sender, -EPIPE, anew);
    }
}

/* --- several threads --- */

enum { SENDERS = 3, VALUES = 6000 };

struct sender {
    struct mpsc *channel;
    uint64_t seed, number;
    uint64_t sent; /* how many went through; the others gave up or failed */
};

/* Value n of sender s is s << 32 | n; those whose send gave up are not sent. */
static void *stress_send(void *arg)
{
    struct sender *self = arg;
    struct counter counter = {0};

    for (uint64_t n = 0; n < VALUES; n++) {
        uint64_t value = self->number << 32 | n;
        struct mpsc_send send = mpsc_send(self->channel, &value);
        uint64_t patience = chance(&self->seed) % 4 == 0 ? 1 + chance(&self->seed) % 3 : UINT64_MAX;
        while (patience-- > 0 && poll_by(&send, &counter) == POLL_PENDING)
            sched_yield();
        bool done = send.base.phase == FUTURE_FINISHED;
        future_drop(&send.base);
        if (done && send.output == -EPIPE)
            break;
        self->sent += done;
    }
    mpsc_drop_sender(self->channel);
    while (atomic_load(&counter.held) != 0)
        sched_yield();
    return NULL;
}

/* The receiver frees the channel as soon as it is told that the senders are gone. */
static uint64_t stress_receive(struct mpsc *channel, uint64_t seed, bool closes)
{
    struct counter counter = {0};
    uint64_t last[SENDERS] = {0}, count = 0, value, limit = closes ? 1000 : UINT64_MAX;

    for (;;) {
        struct mpsc_recv recv = mpsc_recv(channel, &value);
        uint64_t patience = chance(&seed) % 4 == 0 ? 1 : UINT64_MAX;
        while (patience-- > 0 && poll_by(&recv, &counter) == POLL_PENDING)
            sched_yield();
        bool done = recv.base.phase == FUTURE_FINISHED;
        future_drop(&recv.base);
        if (!done)
            continue;
        if (recv.output == -EPIPE)
            break;
        uint64_t n = (value & UINT32_MAX) + 1;
        assert_in_range(n, last[value >> 32] + 1, VALUES);
        last[value >> 32] = n;
        if (++count == limit)
            mpsc_close(channel);
    }
    if (!closes) {
        mpsc_destroy(channel);
        memset(channel, 0xdb, sizeof *channel);
    }
    while (atomic_load(&counter.held) != 0)
        sched_yield();
    return count;
}

static void stress(uint32_t capacity, uint64_t seed, bool closes)
{
    struct mpsc *channel = malloc(sizeof *channel);
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    uint64_t sent = 0;

    assert_int_equal(mpsc_init(channel, capacity, sizeof(uint64_t)), 0);
    for (unsigned i = 0; i < SENDERS; i++) {
        if (i > 0)
            mpsc_add_sender(channel);
        senders[i] = (struct sender){channel, seed + 2 * i, i, 0};
    }
    for (unsigned i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, stress_send, &senders[i]), 0);
    uint64_t received = stress_receive(channel, seed ^ 0x99, closes);
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        sent += senders[i].sent;
    }
    assert_int_equal(received, sent);
    if (closes)
        mpsc_destroy(channel);
    free(channel);
    assert_int_equal(blocks, 0);
}

static void test_stress(void **state)
{
    (void)state;
    uint64_t seed = seed_new("test_stress");

    stress(1, seed, false);
    stress(5, seed, false);
    stress(100, seed, false);
    stress(MPSC_UNBOUNDED, seed, false);
    stress(5, seed, true);
    stress(MPSC_UNBOUNDED, seed, true);
}

/* --- misuse --- */

static void no_capacity(void)
{
    HERE, mpsc_init(&ch, 0, 8);
}

static void too_much_capacity(void)
{
    HERE, mpsc_init(&ch, MPSC_CAPACITY_MAX + 1, 8);
}

static void wrong_size(void)
{
    mpsc_init(&ch, 1, 8);
    HERE, mpsc_try_send(&ch, &(char){1});
}

static void wrong_size_of_a_future(void)
{
    mpsc_init(&ch, 1, 8);
    (void)(HERE, mpsc_recv(&ch, &(char){1}));
}

static void two_receivers(void)
{
    mpsc_init(&ch, 1, 8);
    struct mpsc_recv first = mpsc_recv(&ch, &got);
    poll_by(&first, &somebody);
    struct mpsc_recv second = (HERE, mpsc_recv(&ch, &got));
    poll_by(&second, &somebody);
}

static void try_beside_a_receiver(void)
{
    mpsc_init(&ch, 1, 8);
    struct mpsc_recv first = mpsc_recv(&ch, &got);
    poll_by(&first, &somebody);
    HERE, mpsc_try_recv(&ch, &got);
}

static void close_beside_a_receiver(void)
{
    mpsc_init(&ch, 1, 8);
    struct mpsc_recv first = mpsc_recv(&ch, &got);
    poll_by(&first, &somebody);
    HERE, mpsc_close(&ch);
}

static void destroy_with_senders(void)
{
    mpsc_init(&ch, 1, 8);
    HERE, mpsc_destroy(&ch);
}

static void drop_too_many(void)
{
    mpsc_init(&ch, 1, 8);
    mpsc_drop_sender(&ch);
    HERE, mpsc_drop_sender(&ch);
}

static void add_too_late(void)
{
    mpsc_init(&ch, 1, 8);
    mpsc_drop_sender(&ch);
    HERE, mpsc_add_sender(&ch);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_misuse(no_capacity, __FILE__, "a channel of capacity 0; it may be 1 to *, or MPSC_UNBOUNDED");
    expect_misuse(too_much_capacity, __FILE__, "a channel of capacity *; it may be 1 to *, or MPSC_UNBOUNDED");
    expect_misuse(wrong_size, __FILE__, "a value of 1 bytes goes through channel *, whose values have 8");
    expect_misuse(wrong_size_of_a_future, __FILE__, "a value of 1 bytes goes through channel *, whose values have 8");
    expect_misuse(two_receivers, __FILE__, "two futures wait to receive from channel * at the same time");
    expect_misuse(try_beside_a_receiver, __FILE__, "two futures wait to receive from channel * at the same time");
    expect_misuse(close_beside_a_receiver, __FILE__, "two futures wait to receive from channel * at the same time");
    expect_misuse(destroy_with_senders, __FILE__, "channel * is destroyed while it has senders");
    expect_misuse(drop_too_many, __FILE__, "channel * has more senders dropped than it had");
    expect_misuse(add_too_late, __FILE__, "channel * gets a sender after its last one was dropped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_in_order),
        TEST(test_room),
        TEST(test_sizes),
        TEST(test_the_receiver_is_woken),
        TEST(test_the_receiver_learns_of_the_end),
        TEST(test_receive_dropped_at_every_step),
        TEST(test_senders_in_order),
        TEST(test_send_dropped_at_every_step),
        TEST(test_senders_served_by_the_group),
        TEST(test_a_group_for_many),
        TEST(test_room_of_a_dropped_send),
        TEST(test_receive_dropped_around_a_group),
        TEST(test_closed_within_a_group),
        TEST(test_closed),
        TEST(test_closed_for_many),
        TEST(test_closed_after_a_grant),
        TEST(test_no_memory),
        TEST(test_no_memory_after_a_grant),
        TEST(test_between_look_and_wait),
        TEST(test_in_the_middle_of_a_send),
        TEST(test_stress),
        TEST(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
