/* LINK: @tests/support.link */
/* The drop of a waker may run anything, as a wake may: the reactor does it when its lock is free. */
#include "support.h"

#include "net.h"
#include "timer.h"

#include <sys/socket.h>
#include <unistd.h>

/* A waker that owns a future and drops it: here a sleep, which has to be taken out of the same reactor. */
static struct sleep owned;
static unsigned drops;

static struct waker owner_clone(void *data, const struct site *at);

static void owner_wake(void *data, const struct site *at)
{
    (void)data, (void)at;
}

static void owner_drop(void *data, const struct site *at)
{
    (void)data, (void)at;
    drops++;
    if (owned.base.phase == FUTURE_STARTED)
        future_drop(&owned.base);
}

static const struct waker_vtable owner_vtable = {owner_clone, owner_wake, owner_wake, owner_drop};

static struct waker owner_clone(void *data, const struct site *at)
{
    (void)at;
    return (struct waker){&owner_vtable, data};
}

static void poll_as_owner(struct future *f)
{
    static struct waker waker = {&owner_vtable, &owned};
    struct context cx = {&waker};

    sure(future_poll(f, &cx) == POLL_PENDING);
}

static void poll_owned(struct context *cx)
{
    owned = sleep_for(MILLISECONDS(3600000));
    sure(future_poll(&owned.base, cx) == POLL_PENDING);
    drops = 0;
}

static struct socket reader;

static enum poll drop_or_replace(struct script *self, struct context *cx)
{
    bool replace = self->arg;
    char byte;
    struct sleep sleep = sleep_for(MILLISECONDS(3600000));
    struct socket_read read = socket_read(&reader, &byte, 1);
    struct future *both[] = {&sleep.base, &read.base};

    for (int i = 0; i < 2; i++) {
        poll_owned(cx);
        poll_as_owner(both[i]);
        if (replace)
            sure(future_poll(both[i], cx) == POLL_PENDING);
        else
            future_drop(both[i]);
        sure(drops == 1 && owned.base.phase == FUTURE_DROPPED);
        if (replace)
            future_drop(both[i]);
    }
    return POLL_READY;
}

static void drop_runs(bool replace)
{
    struct runtime rt;
    struct tally tally = {0};
    struct script task = script(&tally, drop_or_replace, replace ? &rt : NULL);
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    reader = socket_from_fd(pair[0]);
    assert_int_equal(runtime_init(&rt, 2), 0);
    assert_int_equal(runtime_block_on(&rt, &task), 0);
    future_drop(&task.base);
    runtime_destroy(&rt);
    assert_int_equal(socket_close(&reader), 0);
    close(pair[1]);
}

static void test_a_future_that_gives_up(void **state)
{
    (void)state;
    drop_runs(false);
}

static void test_a_future_that_is_polled_with_another_waker(void **state)
{
    (void)state;
    drop_runs(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_future_that_gives_up),
        TEST(test_a_future_that_is_polled_with_another_waker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
