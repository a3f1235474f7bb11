/* Every demo runs, ends by itself, says what it should, and makes a recording without a broken contract. */
/* LINK: -Wl,--wrap=malloc,--wrap=free */
#include "support.h"

static void test_lazy(void **state)
{
    (void)state;
    assert_demo("lazy", NULL, 0, "It was dropped there: 0 sheets in use");
}

static void test_countdown(void **state)
{
    (void)state;
    assert_demo("countdown", NULL, 0, "Poll 3 said READY. The output can be read: Lift-off!");
}

static void test_compose(void **state)
{
    (void)state;
    assert_demo("compose", NULL, 0, "Breakfast is ready: 4 servings");
}

static void test_busy_loop(void **state)
{
    (void)state;
    assert_demo("busy_loop", NULL, 0, "all but the last for nothing");
}

static void test_thread_per_task(void **state)
{
    (void)state;
    assert_demo("thread_per_task", "100", 0, "100 tasks are made");
}

static void test_help_and_bad_arguments(void **state)
{
    (void)state;
    assert_demo("countdown", "--help", 0, "Run it:");
    assert_demo("countdown", "3", 2, "");
    assert_demo("thread_per_task", "many", 2, "");
    assert_demo("thread_per_task", "0", 2, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lazy),      TEST(test_countdown),       TEST(test_compose),
        TEST(test_busy_loop), TEST(test_thread_per_task), TEST(test_help_and_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
