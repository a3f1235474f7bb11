/* The oneshot channel: the value arrives once or not at all, and both sides agree on which. */
#include "support_async.h"

#include "oneshot.h"

#include <errno.h>

static struct oneshot channel;
static uint64_t place;
static const uint64_t answer = 42;

static void test_sent_before_the_receive(void **state)
{
    (void)state;
    struct counter one = {0};

    oneshot_init(&channel, &place);
    assert_false(oneshot_has_value(&channel));
    assert_int_equal(oneshot_send(&channel, &answer), 0);
    assert_true(oneshot_has_value(&channel));
    struct oneshot_recv recv = oneshot_recv(&channel);
    assert_int_equal(poll_by(&recv, &one), POLL_READY);
    assert_int_equal(recv.output, 0);
    assert_int_equal(place, 42);
    assert_int_equal(one.held, 0);
    future_drop(&recv.base);
}

/* After so many polls, of which each second is by another task. */
static void test_sent_while_it_waits(void **state)
{
    (void)state;
    for (int polls = 1; polls < 5; polls++) {
        struct counter counters[2] = {0};
        place = 0;
        oneshot_init(&channel, &place);
        struct oneshot_recv recv = oneshot_recv(&channel);
        for (int n = 0; n < polls; n++) {
            assert_int_equal(poll_by(&recv, &counters[n / 2 % 2]), POLL_PENDING);
            assert_int_equal(counters[n / 2 % 2].held, 1);
            assert_int_equal(counters[1 - n / 2 % 2].held, 0);
        }
        assert_int_equal(oneshot_send(&channel, &answer), 0);
        assert_int_equal(counters[(polls - 1) / 2 % 2].wakes, 1);
        assert_int_equal(counters[0].wakes + counters[1].wakes, 1);
        assert_int_equal(counters[0].held + counters[1].held, 0);
        assert_int_equal(poll_by(&recv, &counters[0]), POLL_READY);
        assert_int_equal(recv.output, 0);
        assert_int_equal(place, 42);
        future_drop(&recv.base);
    }
}

static void test_abandoned(void **state)
{
    (void)state;
    for (int polls = 0; polls < 2; polls++) {
        struct counter one = {0};
        oneshot_init(&channel, &place);
        struct oneshot_recv recv = oneshot_recv(&channel);
        for (int n = 0; n < polls; n++)
            assert_int_equal(poll_by(&recv, &one), POLL_PENDING);
        oneshot_abandon(&channel);
        assert_int_equal(one.wakes, polls);
        assert_int_equal(poll_by(&recv, &one), POLL_READY);
        assert_int_equal(recv.output, -EPIPE);
        assert_int_equal(one.held, 0);
    }
}

static void test_dropped_at_every_step(void **state)
{
    (void)state;
    for (int polls = 0; polls < 3; polls++) {
        struct counter one = {0};
        oneshot_init(&channel, &place);
        struct oneshot_recv recv = oneshot_recv(&channel);
        for (int n = 0; n < polls; n++)
            assert_int_equal(poll_by(&recv, &one), POLL_PENDING);
        future_drop(&recv.base);
        assert_int_equal(one.held, 0);
        assert_int_equal(oneshot_send(&channel, &answer), -EPIPE);
        assert_false(oneshot_has_value(&channel));
        oneshot_abandon(&channel);
        assert_int_equal(one.wakes, 0);
    }
}

/* Sent, woken, and dropped before it is polled: the value is not lost. */
static void test_a_value_nobody_received(void **state)
{
    (void)state;
    struct counter one = {0};

    place = 0;
    oneshot_init(&channel, &place);
    struct oneshot_recv recv = oneshot_recv(&channel);
    assert_int_equal(poll_by(&recv, &one), POLL_PENDING);
    assert_int_equal(oneshot_send(&channel, &answer), 0);
    future_drop(&recv.base);
    assert_true(oneshot_has_value(&channel));
    assert_int_equal(place, 42);
}

/* --- the other side comes just in between --- */

static int sent;

static void send_now(void *unused)
{
    (void)unused;
    sent = oneshot_send(&channel, &answer);
}

/* The receiver has looked, and is about to say that it waits. */
static void test_sent_between_look_and_wait(void **state)
{
    (void)state;
    struct counter one = {0};
    struct moment moment;

    oneshot_init(&channel, &place);
    struct oneshot_recv recv = oneshot_recv(&channel);
    moment_set(&moment, TRACE_WAIT, send_now, NULL);
    assert_int_equal(poll_by(&recv, &one), POLL_READY);
    moment_came(&moment);
    assert_int_equal(sent, 0);
    assert_int_equal(recv.output, 0);
    assert_int_equal(one.held, 0);
}

/* The same where the receiver replaces the waker of another task: while it waits, and while it does not for a moment. */
static void replace_and_send_at(enum trace_kind kind)
{
    struct counter one = {0}, two = {0};
    struct moment moment;

    oneshot_init(&channel, &place);
    struct oneshot_recv recv = oneshot_recv(&channel);
    assert_int_equal(poll_by(&recv, &one), POLL_PENDING);
    moment_set(&moment, kind, send_now, NULL);
    assert_int_equal(poll_by(&recv, &two), POLL_READY);
    moment_came(&moment);
    assert_int_equal(recv.output, 0);
    assert_int_equal(one.held + two.held, 0);
}

static void test_sent_while_the_waker_is_replaced(void **state)
{
    (void)state;
    replace_and_send_at(TRACE_FUTURE_POLL_BEGIN);
    replace_and_send_at(TRACE_WAIT_END);
    replace_and_send_at(TRACE_WAIT);
}

/* The sender has set its bit, and has yet to read the waker, when the receiver is polled, by another task. It does not
 * end: it would free the channel too early. */
static struct oneshot_recv meanwhile;
static struct counter meanwhile_counter;

static void receive_meanwhile(void *unused)
{
    (void)unused;
    assert_int_equal(poll_by(&meanwhile, &meanwhile_counter), POLL_PENDING);
    assert_int_equal(meanwhile_counter.wakes, 1); /* it woke itself */
}

static void drop_meanwhile(void *unused)
{
    (void)unused;
    future_drop(&meanwhile.base);
}

static void in_the_middle(void (*act)(void *))
{
    struct counter one = {0};
    struct moment moment;

    meanwhile_counter = (struct counter){0};
    oneshot_init(&channel, &place);
    meanwhile = oneshot_recv(&channel);
    assert_int_equal(poll_by(&meanwhile, &one), POLL_PENDING);
    moment_set(&moment, TRACE_WAIT_END, act, NULL);
    assert_int_equal(oneshot_send(&channel, &answer), 0);
    moment_came(&moment);
    assert_int_equal(one.wakes, 1);
    assert_int_equal(one.held + meanwhile_counter.held, 0);
    assert_true(oneshot_has_value(&channel));
}

static void test_in_the_middle_of_a_send(void **state)
{
    (void)state;
    in_the_middle(receive_meanwhile);
    assert_int_equal(poll_by(&meanwhile, &meanwhile_counter), POLL_READY);
    assert_int_equal(meanwhile.output, 0);
    in_the_middle(drop_meanwhile);
}

/* --- two threads --- */

struct box {
    struct oneshot channel;
    uint64_t place;
};

struct pair {
    struct box *box;
    uint64_t seed;
    int sent;     /* what the send said; 1: abandoned */
    int received; /* what the receive said; 1: it gave up */
    bool has_value;
};

static void *pair_send(void *arg)
{
    struct pair *pair = arg;
    uint64_t seed = pair->seed, value = 7;

    for (uint64_t n = chance(&seed) % 3; n > 0; n--)
        sched_yield();
    if (chance(&seed) % 4 == 0) {
        oneshot_abandon(&pair->box->channel);
        pair->sent = 1;
    } else {
        pair->sent = oneshot_send(&pair->box->channel, &value);
    }
    return NULL;
}

/* Receives and frees the channel at once, or gives up. Polls more often than it is woken, and as two tasks. */
static void pair_receive(struct pair *pair)
{
    struct counter counters[2] = {0};
    struct oneshot_recv recv = oneshot_recv(&pair->box->channel);
    uint64_t seed = pair->seed ^ 0x5555;
    uint64_t patience = chance(&seed) % 2 ? 3 : UINT64_MAX;

    while (patience-- > 0 && poll_by(&recv, &counters[chance(&seed) % 2]) == POLL_PENDING)
        if (chance(&seed) % 2)
            sched_yield();
    pair->received = recv.base.phase == FUTURE_FINISHED ? recv.output : 1;
    if (pair->received == 0)
        assert_int_equal(pair->box->place, 7);
    if (pair->received <= 0) {
        memset(pair->box, 0xdb, sizeof *pair->box);
        free(pair->box);
        pair->box = NULL;
    }
    future_drop(&recv.base);
    while (atomic_load(&counters[0].held) + atomic_load(&counters[1].held) != 0)
        sched_yield();
}

static void test_stress(void **state)
{
    (void)state;
    uint64_t seed = seed_new("test_stress");

    for (int i = 0; i < 3000; i++) {
        struct pair pair = {.box = malloc(sizeof *pair.box), .seed = seed + 2 * (uint64_t)i};
        pthread_t sender;
        struct pair from = pair;
        oneshot_init(&pair.box->channel, &pair.box->place);
        assert_int_equal(pthread_create(&sender, NULL, pair_send, &from), 0);
        pair_receive(&pair);
        pthread_join(sender, NULL);
        if (pair.received == 0)
            assert_int_equal(from.sent, 0);
        if (pair.received == -EPIPE)
            assert_int_equal(from.sent, 1);
        if (pair.received == 1)
            assert_int_equal(oneshot_has_value(&pair.box->channel), from.sent == 0);
        free(pair.box);
    }
}

/* --- misuse --- */

static void send_twice(void)
{
    oneshot_init(&channel, &place);
    oneshot_send(&channel, &answer);
    HERE, oneshot_send(&channel, &answer);
}

static void send_after_abandon(void)
{
    oneshot_init(&channel, &place);
    oneshot_abandon(&channel);
    HERE, oneshot_send(&channel, &answer);
}

static void abandon_after_send(void)
{
    oneshot_init(&channel, &place);
    oneshot_send(&channel, &answer);
    HERE, oneshot_abandon(&channel);
}

static void two_receivers(void)
{
    oneshot_init(&channel, &place);
    (void)oneshot_recv(&channel);
    (void)(HERE, oneshot_recv(&channel));
}

static void wrong_size(void)
{
    char byte = 1;

    oneshot_init(&channel, &place);
    HERE, oneshot_send(&channel, &byte);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_misuse(send_twice, __FILE__, "oneshot channel * was used by its sender before");
    expect_misuse(send_after_abandon, __FILE__, "oneshot channel * was used by its sender before");
    expect_misuse(abandon_after_send, __FILE__, "oneshot channel * was used by its sender before");
    expect_misuse(two_receivers, __FILE__, "oneshot channel * has a receiver already");
    expect_misuse(wrong_size, __FILE__, "a value of 1 bytes is sent through oneshot channel *, whose values have 8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sent_before_the_receive),
        TEST(test_sent_while_it_waits),
        TEST(test_abandoned),
        TEST(test_dropped_at_every_step),
        TEST(test_a_value_nobody_received),
        TEST(test_sent_between_look_and_wait),
        TEST(test_sent_while_the_waker_is_replaced),
        TEST(test_in_the_middle_of_a_send),
        TEST(test_stress),
        TEST(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
