/* LINK: -Wl,--wrap=syscall */
/* The channel. (POSIX has no such thing between threads.) */
#include "support_sync.h"

#include "channel.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct channel channel;

static void begin(size_t capacity)
{
    memset(&channel, 0xdb, sizeof channel);
    assert_int_equal(channel_init(&channel, capacity, sizeof(int)), 0);
}

static void send_all(int first, int last)
{
    for (int i = first; i <= last; i++)
        assert_int_equal(channel_send(&channel, &i), 0);
}

static void receive_all(int first, int last)
{
    for (int i = first, item = -1; i <= last; i++) {
        assert_int_equal(channel_recv(&channel, &item), 0);
        assert_int_equal(item, i);
    }
}

static void send_seven(void *result)
{
    int seven = 7;
    *(int *)result = channel_send(&channel, &seven);
}

static void receive_one(void *item)
{
    int error = channel_recv(&channel, item);
    if (error)
        *(int *)item = error;
}

static void close_it(void *unused)
{
    (void)unused;
    channel_close(&channel);
}

/* --- one thread --- */

static void test_first_in_first_out(void **state)
{
    (void)state;
    begin(3);
    for (int round = 0; round < 5; round++) { /* so the ring wraps at every place */
        send_all(1, 3);
        receive_all(1, 1);
        send_all(4, 4);
        receive_all(2, 4);
        send_all(5, 5);
        receive_all(5, 5);
    }
    assert_int_equal(futex_waits() + futex_wakes(), 0);
    channel_destroy(&channel);
}

static void test_try_never_waits(void **state)
{
    int item = 1;

    (void)state;
    begin(2);
    assert_int_equal(channel_try_recv(&channel, &item), -EAGAIN);
    assert_int_equal(channel_try_send(&channel, &item), 0);
    assert_int_equal(channel_try_send(&channel, &item), 0);
    assert_int_equal(channel_try_send(&channel, &item), -EAGAIN);
    assert_int_equal(channel_try_recv(&channel, &item), 0);
    assert_int_equal(channel_try_send(&channel, &item), 0);
    channel_destroy(&channel);
}

static void test_what_was_sent_before_the_close_is_received(void **state)
{
    int item = 0;

    (void)state;
    begin(4);
    send_all(1, 2);
    channel_close(&channel);
    channel_close(&channel);
    assert_int_equal(channel_send(&channel, &item), -EPIPE);
    assert_int_equal(channel_try_send(&channel, &item), -EPIPE);
    receive_all(1, 1);
    assert_int_equal(channel_try_recv(&channel, &item), 0);
    assert_int_equal(item, 2);
    assert_int_equal(channel_recv(&channel, &item), -EPIPE);
    assert_int_equal(channel_try_recv(&channel, &item), -EPIPE);
    assert_int_equal(item, 2);
    channel_destroy(&channel);
}

struct big {
    char bytes[100];
};

static void test_items_of_any_size(void **state)
{
    struct big sent[3], received;

    (void)state;
    assert_int_equal(channel_init(&channel, 2, sizeof(struct big)), 0);
    for (int i = 0; i < 3; i++) {
        memset(&sent[i], 'a' + i, sizeof sent[i]);
        if (i == 2) {
            assert_int_equal(channel_recv(&channel, &received), 0);
            assert_memory_equal(&received, &sent[0], sizeof received);
        }
        assert_int_equal(channel_send(&channel, &sent[i]), 0);
    }
    for (int i = 1; i < 3; i++) {
        assert_int_equal(channel_recv(&channel, &received), 0);
        assert_memory_equal(&received, &sent[i], sizeof received);
    }
    channel_destroy(&channel);
}

static void test_sizes_that_cannot_be(void **state)
{
    (void)state;
    assert_int_equal(channel_init(&channel, 0, 1), -EINVAL);
    assert_int_equal(channel_init(&channel, 1, 0), -EINVAL);
    assert_int_equal(channel_init(&channel, SIZE_MAX / 2, 8), -ENOMEM);
}

/* --- two threads --- */

static void test_send_waits_for_room(void **state)
{
    struct worker sender;
    int result = -1, item;

    (void)state;
    begin(1);
    send_all(6, 6);
    worker_start(&sender, send_seven, &result);
    worker_wait_asleep(&sender);
    receive_all(6, 6);
    worker_join(&sender);
    assert_int_equal(result, 0);
    assert_int_equal(channel_recv(&channel, &item), 0);
    assert_int_equal(item, 7);
    channel_destroy(&channel);
}

static void test_receive_waits_for_an_item(void **state)
{
    struct worker receiver;
    int item = -1;

    (void)state;
    begin(1);
    worker_start(&receiver, receive_one, &item);
    worker_wait_asleep(&receiver);
    send_all(5, 5);
    worker_join(&receiver);
    assert_int_equal(item, 5);
    channel_destroy(&channel);
}

static void test_close_wakes_all_who_wait(void **state)
{
    struct worker workers[3];
    int results[3] = {0};

    (void)state;
    begin(1);
    for (int i = 0; i < 3; i++)
        worker_start(&workers[i], receive_one, &results[i]);
    for (int i = 0; i < 3; i++)
        worker_wait_asleep(&workers[i]);
    channel_close(&channel);
    for (int i = 0; i < 3; i++) {
        worker_join(&workers[i]);
        assert_int_equal(results[i], -EPIPE);
    }
    channel_destroy(&channel);

    begin(1);
    send_all(1, 1);
    for (int i = 0; i < 3; i++)
        worker_start(&workers[i], send_seven, &results[i]);
    for (int i = 0; i < 3; i++)
        worker_wait_asleep(&workers[i]);
    channel_close(&channel);
    for (int i = 0; i < 3; i++) {
        worker_join(&workers[i]);
        assert_int_equal(results[i], -EPIPE);
    }
    receive_all(1, 1);
    channel_destroy(&channel);
}

/* Two items come before the first of two sleepers has run: both must be woken. */
static void test_each_item_wakes_a_receiver(void **state)
{
    struct worker receivers[2];
    int items[2] = {0};

    (void)state;
    begin(4);
    for (int i = 0; i < 2; i++)
        worker_start(&receivers[i], receive_one, &items[i]);
    for (int i = 0; i < 2; i++)
        worker_wait_asleep(&receivers[i]);
    send_all(1, 2);
    for (int i = 0; i < 2; i++)
        worker_join(&receivers[i]);
    assert_int_equal(items[0] + items[1], 3);
    channel_destroy(&channel);
}

static void send_five(void *unused)
{
    (void)unused;
    send_all(5, 5);
}

static void test_sent_just_before_the_sleep(void **state)
{
    int item = -1;

    (void)state;
    begin(1);
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, send_five, NULL);
    receive_one(&item);
    assert_true(moment_came());
    assert_int_equal(item, 5);
    channel_destroy(&channel);
}

static void test_closed_just_before_the_sleep(void **state)
{
    int item = -1;

    (void)state;
    begin(1);
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, close_it, NULL);
    receive_one(&item);
    assert_true(moment_came());
    assert_int_equal(item, -EPIPE);
    channel_destroy(&channel);
}

static void test_waits_that_end_for_no_reason(void **state)
{
    static const int errors[] = {0, EINTR, EAGAIN};
    struct worker receiver;

    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        int item = -1;
        begin(1);
        unsigned before = futex_waits();
        futex_waits_return(50, errors[i]);
        worker_start(&receiver, receive_one, &item);
        while (futex_waits() < before + 51)
            sched_yield();
        send_all(5, 5);
        worker_join(&receiver);
        assert_int_equal(item, 5);
        channel_destroy(&channel);
    }
}

/* --- the end --- */

/* The receiver of the last item destroys the channel at once; the sender may not have returned yet. */
static void receive_and_destroy(void *unused)
{
    int item;

    (void)unused;
    assert_int_equal(channel_recv(&channel, &item), 0);
    channel_destroy(&channel);
    memset(&channel, 0xdb, sizeof channel);
}

static void test_destroyed_by_the_receiver_of_the_last_item(void **state)
{
    struct worker receiver;

    (void)state;
    for (int round = 0; round < 300; round++) {
        begin(1);
        worker_start(&receiver, receive_and_destroy, NULL);
        if (round % 2)
            worker_wait_asleep(&receiver);
        send_all(1, 1);
        worker_join(&receiver);
    }
}

/* --- many threads --- */

enum { THREADS = 4, ITEMS = 4000 };

static atomic_int received[THREADS * ITEMS];

struct party {
    int number;
    unsigned seed;
};

static void send_many(void *arg)
{
    struct party *self = arg;

    for (int i = 0; i < ITEMS;) {
        int item = self->number * ITEMS + i;
        int error = rand_r(&self->seed) % 4 ? channel_send(&channel, &item) : channel_try_send(&channel, &item);
        assert_true(error == 0 || error == -EAGAIN);
        i += error == 0;
    }
}

static void receive_many(void *arg)
{
    struct party *self = arg;
    int last[THREADS], item, error;

    for (int i = 0; i < THREADS; i++)
        last[i] = -1;
    for (;;) {
        error = rand_r(&self->seed) % 4 ? channel_recv(&channel, &item) : channel_try_recv(&channel, &item);
        if (error == -EPIPE)
            return;
        if (error)
            continue;
        assert_true(item > last[item / ITEMS]); /* what one sends stays in order */
        last[item / ITEMS] = item;
        atomic_fetch_add_explicit(&received[item], 1, memory_order_relaxed);
    }
}

static void test_nothing_is_lost_or_doubled(void **state)
{
    struct worker senders[THREADS], receivers[THREADS];
    struct party parties[2 * THREADS];
    unsigned seed = sync_seed();

    (void)state;
    begin(1 + seed % 5);
    memset(received, 0, sizeof received);
    for (int i = 0; i < 2 * THREADS; i++)
        parties[i] = (struct party){i % THREADS, seed + (unsigned)i};
    for (int i = 0; i < THREADS; i++) {
        worker_start(&senders[i], send_many, &parties[i]);
        worker_start(&receivers[i], receive_many, &parties[THREADS + i]);
    }
    for (int i = 0; i < THREADS; i++)
        worker_join(&senders[i]);
    channel_close(&channel);
    for (int i = 0; i < THREADS; i++)
        worker_join(&receivers[i]);
    for (int i = 0; i < THREADS * ITEMS; i++)
        assert_int_equal(received[i], 1);
    channel_destroy(&channel);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYNC_TEST(test_first_in_first_out, NULL),
        SYNC_TEST(test_try_never_waits, NULL),
        SYNC_TEST(test_what_was_sent_before_the_close_is_received, NULL),
        SYNC_TEST(test_items_of_any_size, NULL),
        SYNC_TEST(test_sizes_that_cannot_be, NULL),
        SYNC_TEST(test_send_waits_for_room, NULL),
        SYNC_TEST(test_receive_waits_for_an_item, NULL),
        SYNC_TEST(test_close_wakes_all_who_wait, NULL),
        SYNC_TEST(test_each_item_wakes_a_receiver, NULL),
        SYNC_TEST(test_sent_just_before_the_sleep, NULL),
        SYNC_TEST(test_closed_just_before_the_sleep, NULL),
        SYNC_TEST(test_waits_that_end_for_no_reason, NULL),
        SYNC_TEST(test_destroyed_by_the_receiver_of_the_last_item, NULL),
        SYNC_TEST(test_nothing_is_lost_or_doubled, NULL),
    };
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
