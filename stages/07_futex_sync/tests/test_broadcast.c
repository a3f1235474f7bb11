/* The broadcast channel: every receiver gets every value in order, or is told how many it has lost. */
#include "support_async.h"

#include "broadcast.h"

#include <errno.h>

static struct broadcast ch;
static struct counter somebody;
static uint64_t got;

static void begin(uint32_t capacity)
{
    somebody = (struct counter){0};
    assert_int_equal(broadcast_init(&ch, capacity, sizeof got), 0);
}

static int send_now(uint64_t value)
{
    return broadcast_send(&ch, &value);
}

/* One receive that is ready at once; its output. */
static int receive(struct broadcast_receiver *receiver)
{
    struct broadcast_recv recv = broadcast_recv(receiver, &got);
    assert_int_equal(poll_by(&recv, &somebody), POLL_READY);
    if (recv.output == -EOVERFLOW)
        got = recv.lagged;
    future_drop(&recv.base);
    return recv.output;
}

static void receives(struct broadcast_receiver *receiver, uint64_t value)
{
    assert_int_equal(receive(receiver), 0);
    assert_int_equal(got, value);
}

static void test_everybody_gets_everything(void **state)
{
    (void)state;
    begin(4);
    assert_int_equal(send_now(1), -EPIPE);
    struct broadcast_receiver one = broadcast_subscribe(&ch);
    assert_int_equal(send_now(2), 1);
    struct broadcast_receiver two = broadcast_subscribe(&ch);
    for (uint64_t value = 3; value < 6; value++)
        assert_int_equal(send_now(value), 2);
    for (uint64_t value = 2; value < 6; value++)
        receives(&one, value);
    for (uint64_t value = 3; value < 6; value++)
        receives(&two, value);
    assert_int_equal(send_now(6), 2);
    broadcast_drop_sender(&ch);
    receives(&one, 6);
    assert_int_equal(receive(&one), -EPIPE);
    receives(&two, 6);
    assert_int_equal(receive(&two), -EPIPE);
    broadcast_leave(&one);
    broadcast_leave(&two);
    broadcast_destroy(&ch);
}

/* For each number of values sent too many: so many are lost, and the rest is there. */
static void test_a_slow_one_is_told(void **state)
{
    (void)state;
    for (uint64_t extra = 1; extra < 10; extra++) {
        begin(3);
        struct broadcast_receiver slow = broadcast_subscribe(&ch);
        for (uint64_t value = 0; value < 3 + extra; value++)
            assert_int_equal(send_now(value), 1);
        assert_int_equal(receive(&slow), -EOVERFLOW);
        assert_int_equal(got, extra);
        for (uint64_t value = extra; value < 3 + extra; value++)
            receives(&slow, value);
        broadcast_leave(&slow);
        broadcast_drop_sender(&ch);
        broadcast_destroy(&ch);
    }
}

static void test_waiting(void **state)
{
    (void)state;
    struct counter counters[2] = {0}, other = {0};
    uint64_t values[2] = {0};
    struct broadcast_receiver receivers[2];
    struct broadcast_recv recvs[2];

    begin(2);
    for (int i = 0; i < 2; i++) {
        receivers[i] = broadcast_subscribe(&ch);
        recvs[i] = broadcast_recv(&receivers[i], &values[i]);
        assert_int_equal(poll_by(&recvs[i], &other), POLL_PENDING);
        assert_int_equal(poll_by(&recvs[i], &counters[i]), POLL_PENDING);
    }
    assert_int_equal(other.held, 0);
    assert_int_equal(send_now(7), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(counters[i].wakes, 1);
        assert_int_equal(poll_by(&recvs[i], &counters[i]), POLL_READY);
        assert_int_equal(values[i], 7);
        recvs[i] = broadcast_recv(&receivers[i], &values[i]);
        assert_int_equal(poll_by(&recvs[i], &counters[i]), POLL_PENDING);
    }
    broadcast_add_sender(&ch);
    broadcast_drop_sender(&ch);
    assert_int_equal(counters[0].wakes, 1);
    broadcast_drop_sender(&ch);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(counters[i].wakes, 2);
        assert_int_equal(poll_by(&recvs[i], &counters[i]), POLL_READY);
        assert_int_equal(recvs[i].output, -EPIPE);
        broadcast_leave(&receivers[i]);
    }
    broadcast_destroy(&ch);
}

static void test_dropped_at_every_step(void **state)
{
    (void)state;
    for (int polls = 0; polls < 3; polls++)
        for (int sent = 0; sent < 2; sent++) {
            begin(2);
            struct broadcast_receiver receiver = broadcast_subscribe(&ch);
            struct broadcast_recv recv = broadcast_recv(&receiver, &got);
            for (int n = 0; n < polls; n++)
                assert_int_equal(poll_by(&recv, &somebody), POLL_PENDING);
            if (sent)
                send_now(5);
            future_drop(&recv.base);
            if (!sent)
                send_now(5);
            assert_int_equal(somebody.held, 0);
            assert_int_equal(somebody.wakes, sent && polls > 0);
            receives(&receiver, 5);
            broadcast_leave(&receiver);
            broadcast_drop_sender(&ch);
            broadcast_destroy(&ch);
        }
}

/* More wait than are woken in one go, and each of them receives and waits again as soon as it is woken. */
enum { CROWD = 40 };

static struct crowd {
    struct broadcast_receiver receivers[CROWD];
    struct broadcast_recv recvs[CROWD];
    struct counter counters[CROWD];
    uint64_t values[CROWD];
} crowd;

static void receive_and_wait(void *arg)
{
    int i = (int)((struct counter *)arg - crowd.counters);

    assert_int_equal(poll_by(&crowd.recvs[i], &crowd.counters[i]), POLL_READY);
    crowd.recvs[i] = broadcast_recv(&crowd.receivers[i], &crowd.values[i]);
    assert_int_equal(poll_by(&crowd.recvs[i], &crowd.counters[i]), POLL_PENDING);
}

static void test_many(void **state)
{
    (void)state;
    begin(2);
    for (int i = 0; i < CROWD; i++) {
        crowd.counters[i] = (struct counter){.on_wake = receive_and_wait, .arg = &crowd.counters[i]};
        crowd.receivers[i] = broadcast_subscribe(&ch);
        crowd.recvs[i] = broadcast_recv(&crowd.receivers[i], &crowd.values[i]);
        assert_int_equal(poll_by(&crowd.recvs[i], &crowd.counters[i]), POLL_PENDING);
    }
    assert_int_equal(send_now(3), CROWD);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(crowd.values[i], 3);
        assert_int_equal(crowd.counters[i].wakes, 1);
        assert_int_equal(crowd.counters[i].held, 1);
        future_drop(&crowd.recvs[i].base);
        broadcast_leave(&crowd.receivers[i]);
    }
    broadcast_drop_sender(&ch);
    broadcast_destroy(&ch);
}

/* --- several threads --- */

enum { RECEIVERS = 3, VALUES = 5000 };

struct reader {
    struct broadcast_receiver receiver;
    uint64_t seed, received, lost;
};

static void *stress_receive(void *arg)
{
    struct reader *self = arg;
    struct counter counter = {0};
    uint64_t value, expected = 0;

    for (;;) {
        struct broadcast_recv recv = broadcast_recv(&self->receiver, &value);
        if (chance(&self->seed) % 4 == 0)
            poll_by(&recv, &counter); /* and gives up */
        else
            await_by(&recv, &counter);
        bool done = recv.base.phase == FUTURE_FINISHED;
        future_drop(&recv.base);
        if (!done)
            continue;
        if (recv.output == -EPIPE)
            break;
        if (recv.output == -EOVERFLOW) {
            expected += recv.lagged;
            self->lost += recv.lagged;
            continue;
        }
        assert_int_equal(value, expected++);
        self->received++;
    }
    broadcast_leave(&self->receiver);
    while (atomic_load(&counter.held) != 0)
        sched_yield();
    return NULL;
}

static void test_stress(void **state)
{
    (void)state;
    uint64_t seed = seed_new("test_stress");
    struct reader readers[RECEIVERS];
    pthread_t threads[RECEIVERS];

    begin(16);
    for (unsigned i = 0; i < RECEIVERS; i++) {
        readers[i] = (struct reader){broadcast_subscribe(&ch), seed + 2 * i, 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, stress_receive, &readers[i]), 0);
    }
    for (uint64_t value = 0; value < VALUES; value++) {
        send_now(value);
        if (chance(&seed) % 8 == 0)
            sched_yield();
    }
    broadcast_drop_sender(&ch);
    for (unsigned i = 0; i < RECEIVERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].received + readers[i].lost, VALUES);
    }
    broadcast_destroy(&ch);
}

/* --- misuse --- */

static void no_capacity(void)
{
    HERE, broadcast_init(&ch, 0, 8);
}

static void wrong_size(void)
{
    broadcast_init(&ch, 1, 8);
    HERE, broadcast_send(&ch, &(char){1});
}

static void leave_twice(void)
{
    broadcast_init(&ch, 1, 8);
    struct broadcast_receiver receiver = broadcast_subscribe(&ch);
    broadcast_leave(&receiver);
    HERE, broadcast_leave(&receiver);
}

static void receive_after_leaving(void)
{
    broadcast_init(&ch, 1, 8);
    struct broadcast_receiver receiver = broadcast_subscribe(&ch);
    broadcast_leave(&receiver);
    (void)(HERE, broadcast_recv(&receiver, &got));
}

static void destroy_with_senders(void)
{
    broadcast_init(&ch, 1, 8);
    HERE, broadcast_destroy(&ch);
}

static void destroy_with_receivers(void)
{
    broadcast_init(&ch, 1, 8);
    broadcast_subscribe(&ch);
    broadcast_drop_sender(&ch);
    HERE, broadcast_destroy(&ch);
}

static void drop_too_many(void)
{
    broadcast_init(&ch, 1, 8);
    broadcast_drop_sender(&ch);
    HERE, broadcast_drop_sender(&ch);
}

static void add_too_late(void)
{
    broadcast_init(&ch, 1, 8);
    broadcast_drop_sender(&ch);
    HERE, broadcast_add_sender(&ch);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_misuse(no_capacity, __FILE__, "a broadcast channel of capacity 0");
    expect_misuse(wrong_size, __FILE__, "a value of 1 bytes goes through broadcast channel *, whose values have 8");
    expect_misuse(leave_twice, __FILE__, "a receiver leaves a broadcast channel twice");
    expect_misuse(receive_after_leaving, __FILE__, "a receiver that has left its broadcast channel receives");
    expect_misuse(destroy_with_senders, __FILE__, "broadcast channel * is destroyed while it has senders");
    expect_misuse(destroy_with_receivers, __FILE__, "broadcast channel * is destroyed while it has receivers");
    expect_misuse(drop_too_many, __FILE__, "broadcast channel * has more senders dropped than it had");
    expect_misuse(add_too_late, __FILE__, "broadcast channel * gets a sender after its last one was dropped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_everybody_gets_everything),
        TEST(test_a_slow_one_is_told),
        TEST(test_waiting),
        TEST(test_dropped_at_every_step),
        TEST(test_many),
        TEST(test_stress),
        TEST(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
