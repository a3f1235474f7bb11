/* With -DHOOKS every trace point calls the hook, recorded or not. */
#include "../trace.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct seen {
    _Atomic int calls;
    enum trace_kind kind;
    uint32_t task, a;
    uint64_t b;
};

static void look(void *arg, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    struct seen *s = arg;
    s->kind = kind;
    s->task = task;
    s->a = a;
    s->b = b;
    atomic_fetch_add_explicit(&s->calls, 1, memory_order_release); /* pairs with the loads in the tests */
}

static int calls(struct seen *s)
{
    return atomic_load_explicit(&s->calls, memory_order_acquire); /* pairs with the add in look */
}

static void every_point_is_a_hook(void **state)
{
    (void)state;
    struct seen s = {0};

    assert_false(trace_on);
    trace_set_hook(look, &s);
    TRACE(QUEUE_PUSH, 1, -1, -2);
    assert_int_equal(calls(&s), 1);
    assert_int_equal(s.kind, TRACE_QUEUE_PUSH);
    assert_int_equal(s.task, 1);
    assert_int_equal(s.a, UINT32_MAX);
    assert_int_equal(s.b, UINT64_MAX - 1);
    TRACE_AT(QUEUE_POP, 2, 0, 0, NULL);
    assert_int_equal(s.kind, TRACE_QUEUE_POP);
    trace_note("remark", 3);
    assert_int_equal(s.kind, TRACE_NOTE);
    assert_int_equal(calls(&s), 3);
    trace_set_hook(NULL, NULL);
    TRACE(QUEUE_PUSH, 1, 0, 0);
    assert_int_equal(calls(&s), 3);
}

static _Atomic bool stop;

static void *record_until_stopped(void *unused)
{
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) /* a mere flag: no partner */
        TRACE(NOTE, 0, 0, 0);
    return unused;
}

/* The thread may be at a trace point at any moment of this; the thread sanitizer looks on. */
static void a_hook_can_come_and_go_while_threads_run(void **state)
{
    (void)state;
    struct seen s = {0};
    pthread_t thread;

    atomic_store_explicit(&stop, false, memory_order_relaxed);
    assert_int_equal(pthread_create(&thread, NULL, record_until_stopped, NULL), 0);
    trace_set_hook(look, &s);
    uint64_t deadline = trace_now() + 5000000000;
    while (calls(&s) < 1000)
        assert_true(trace_now() < deadline);
    trace_set_hook(NULL, NULL);
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_point_is_a_hook),
        cmocka_unit_test(a_hook_can_come_and_go_while_threads_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
