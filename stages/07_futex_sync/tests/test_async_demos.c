/* The demos about a lock around an await, and about runtimes inside each other: each ends by itself, says what it is there
 * to show, and makes a recording in which no contract is broken; but for the one that shows a deadlock. */
#include "support_program.h"

#include <string.h>
#include <unistd.h>

/* The recording goes to a file that bears the demo's name. */
static const char *ends(const char *name, const char *workers)
{
    static struct program program;
    const char *const argv[] = {demo(name), workers, NULL};
    const char *trace = scratch(name);

    int status = program_run(&program, argv, trace);
    if (status != 0)
        fail_msg("%s ends with %d and says:\n%s", name, status, program.text);
    return program.text;
}

static const char *runs(const char *name, const char *workers)
{
    const char *output = ends(name, workers);

    recording_check(scratch(name));
    return output;
}

static void says(const char *output, const char *text)
{
    if (!strstr(output, text))
        fail_msg("it does not say '%s', but:\n%s", text, output);
}

static void check_finds_the_deadlock(const char *trace)
{
    static struct program check;
    const char *const argv[] = {lifeline(), "check", trace, NULL};

    if (access(argv[0], X_OK) != 0)
        return; /* a stage that was copied out alone */
    assert_int_equal(program_run(&check, argv, NULL), 1);
    says(check.text, "broken[deadlock]: worker-1 waits for lock 1");
    says(check.text, "warning[guard-across-await]");
}

static void test_lock_across_await_std(void **state)
{
    (void)state;
    const char *output = ends("lock_across_await_std", NULL);
    says(output, "1 worker, 2 tasks that want the lock.\n");
    says(output, "0 of 2 tasks are done. The bystander has ticked 0 times, of ");
    says(output, "A deadlock.");
    check_finds_the_deadlock(scratch("lock_across_await_std"));
}

static void test_lock_short_std(void **state)
{
    (void)state;
    says(runs("lock_short_std", NULL), "The lock was taken 2 times.");
    says(runs("lock_short_std", "4"), "The lock was taken 5 times.");
}

static void test_lock_across_await_async(void **state)
{
    (void)state;
    const char *output = runs("lock_across_await_async", NULL);
    says(output, "2 of 2 tasks are done.");
    says(output, "have waited for each other 500 ms long");
    says(output, "One of them is aborted, and the other gets through.");
}

static void test_lock_short_async(void **state)
{
    (void)state;
    says(runs("lock_short_async", NULL), "The lock was taken 2 times.");
    says(runs("lock_short_async", "4"), "The lock was taken 5 times.");
}

static void test_nested_block_on(void **state)
{
    (void)state;
    const char *output = runs("nested_block_on", NULL);
    says(output, "nested_block_on.c:");
    says(output, "misuse: runtime_block_on inside a task");
    says(output, "and aborts at once.");
}

static void test_mixed_runtimes(void **state)
{
    (void)state;
    const char *output = runs("mixed_runtimes", NULL);
    says(output, "mixed_runtimes.c:");
    says(output, "is registered with the reactor of another runtime");
    says(output, "has sent 42 to one of the second");
}

static void test_arguments(void **state)
{
    static const char *const names[] = {"lock_across_await_std", "lock_short_std",  "lock_across_await_async",
                                        "lock_short_async",      "nested_block_on", "mixed_runtimes"};
    static struct program program;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *const help[] = {demo(names[i]), "--help", NULL}, *const bad[] = {demo(names[i]), "--bad", NULL};
        assert_int_equal(program_run(&program, help, NULL), 0);
        says(program.text, "TRACE=run.trace");
        assert_int_equal(program_run(&program, bad, NULL), 2);
        says(program.text, "--bad");
    }
    const char *const none[] = {demo("lock_short_std"), "0", NULL};
    assert_int_equal(program_run(&program, none, NULL), 2);
    says(program.text, "1 to 8 workers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lock_across_await_std),
        cmocka_unit_test(test_lock_short_std),
        cmocka_unit_test(test_lock_across_await_async),
        cmocka_unit_test(test_lock_short_async),
        cmocka_unit_test(test_nested_block_on),
        cmocka_unit_test(test_mixed_runtimes),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
