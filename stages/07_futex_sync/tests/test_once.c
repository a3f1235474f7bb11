/* LINK: -Wl,--wrap=syscall */
/* Once. What POSIX says of pthread_once is asked of ours and of the C library's; the rest is about how ours is made. */
#include "support_sync.h"

#include "once.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

/* --- two implementations --- */

static struct once once_ours;
static pthread_once_t once_posix;
static void do_it(void);

struct kind {
    void (*init)(void);
    void (*call)(void);
};

static void do_it_with_arg(void *arg)
{
    assert_ptr_equal(arg, &once_ours);
    do_it();
}

static void ours_init(void)
{
    once_ours = (struct once){0};
}

static void ours_call(void)
{
    once_call(&once_ours, do_it_with_arg, &once_ours);
}

static void posix_init(void)
{
    once_posix = (pthread_once_t)PTHREAD_ONCE_INIT;
}

static void posix_call(void)
{
    assert_int_equal(pthread_once(&once_posix, do_it), 0);
}

static struct kind ours = {ours_init, ours_call};
static struct kind posix = {posix_init, posix_call};

static const struct kind *kind;
static int acted; /* plain: that it is seen is what once is for */
static atomic_int inside, may_end;

static void do_it(void)
{
    atomic_store_explicit(&inside, 1, memory_order_relaxed);
    wait_for(&may_end, 1);
    acted++;
}

static void begin(void **state)
{
    kind = *state;
    kind->init();
    acted = 0;
    atomic_store(&inside, 0);
    atomic_store(&may_end, 1);
}

static void call(void *unused)
{
    (void)unused;
    kind->call();
    assert_int_equal(acted, 1);
}

/* --- what POSIX says --- */

/* "The first call to pthread_once() by any thread shall call the init_routine with no arguments. Subsequent calls shall
 * not call the init_routine." */
static void test_it_is_done_once(void **state)
{
    begin(state);
    for (int i = 0; i < 5; i++)
        call(NULL);
}

/* "On return from pthread_once(), init_routine shall have completed." */
static void test_others_wait_until_it_is_done(void **state)
{
    struct worker first, others[3];

    begin(state);
    atomic_store(&may_end, 0);
    worker_start(&first, call, NULL);
    wait_for(&inside, 1);
    for (int i = 0; i < 3; i++)
        worker_start(&others[i], call, NULL);
    for (int i = 0; i < 3; i++)
        worker_wait_asleep(&others[i]);
    atomic_store(&may_end, 1);
    worker_join(&first);
    for (int i = 0; i < 3; i++)
        worker_join(&others[i]);
}

static void test_many_come_at_once(void **state)
{
    struct worker workers[4];

    for (int round = 0; round < 200; round++) {
        begin(state);
        for (int i = 0; i < 4; i++)
            worker_start(&workers[i], call, NULL);
        for (int i = 0; i < 4; i++)
            worker_join(&workers[i]);
    }
}

/* --- how ours is made --- */

static void test_no_system_call_while_nobody_waits(void **state)
{
    begin(state);
    for (int i = 0; i < 100; i++)
        call(NULL);
    assert_int_equal(futex_waits() + futex_wakes(), 0);
}

/* Done between the mark of the waiter and its sleep. */
static void let_it_end(void *first)
{
    atomic_store(&may_end, 1);
    worker_join(first);
}

static void test_done_just_before_the_sleep(void **state)
{
    struct worker first;

    begin(state);
    atomic_store(&may_end, 0);
    worker_start(&first, call, NULL);
    wait_for(&inside, 1);
    at_moment(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 1, let_it_end, &first);
    call(NULL);
    assert_true(moment_came());
}

static void test_waits_that_end_for_no_reason(void **state)
{
    static const int errors[] = {0, EINTR, EAGAIN};
    struct worker first, other;

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        begin(state);
        atomic_store(&may_end, 0);
        worker_start(&first, call, NULL);
        wait_for(&inside, 1);
        unsigned before = futex_waits();
        futex_waits_return(50, errors[i]);
        worker_start(&other, call, NULL);
        while (futex_waits() < before + 51)
            sched_yield();
        atomic_store(&may_end, 1);
        worker_join(&first);
        worker_join(&other);
    }
}

/* --- misuse, and what is none --- */

static struct once inner, outer;

static void do_nothing(void *unused)
{
    (void)unused;
}

static void call_inner(void *unused)
{
    (void)unused;
    once_call(&inner, do_nothing, NULL);
}

static void call_outer_again(void *unused)
{
    (void)unused;
    once_call(&outer, do_nothing, NULL);
}

static void call_outer_within_inner(void *unused)
{
    (void)unused;
    once_call(&inner, call_outer_again, NULL);
}

static void recurse(void *unused)
{
    (void)unused;
    once_call(&outer, call_outer_again, NULL);
}

static void recurse_deeper(void *unused)
{
    (void)unused;
    once_call(&outer, call_outer_within_inner, NULL);
}

static void test_one_inside_another(void **state)
{
    (void)state;
    inner = outer = (struct once){0};
    once_call(&outer, call_inner, NULL);
    once_call(&outer, do_nothing, NULL);
}

static void test_misuse(void **state)
{
    (void)state;
    inner = outer = (struct once){0};
    expect_abort_saying(recurse, "misuse: once_call inside the call that it would wait for");
    expect_abort_saying(recurse_deeper, "misuse: once_call inside the call that it would wait for");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_it_is_done_once),
        BOTH(test_others_wait_until_it_is_done),
        BOTH(test_many_come_at_once),
        SYNC_TEST(test_no_system_call_while_nobody_waits, &ours),
        SYNC_TEST(test_done_just_before_the_sleep, &ours),
        SYNC_TEST(test_waits_that_end_for_no_reason, &ours),
        SYNC_TEST(test_one_inside_another, NULL),
        SYNC_TEST(test_misuse, NULL),
    };
    return cmocka_run_group_tests_name("once", tests, NULL, NULL);
}
