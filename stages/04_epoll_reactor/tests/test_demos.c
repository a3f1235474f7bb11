/* The demos that have no test of their own: each runs alone, ends by itself, says what it is there to show, and makes a
 * recording in which no contract is broken. */
#include "support_program.h"

#include <string.h>

/* The recording goes to a file that bears the demo's name. */
static const char *runs(const char *name, rlim_t descriptors)
{
    static struct program program;
    const char *const argv[] = {demo(name), NULL};
    const char *trace = scratch(name);

    program_start(&program, argv, trace, descriptors);
    int status = program_end(&program);
    if (status != 0)
        fail_msg("%s ends with %d and says:\n%s", name, status, program.text);
    recording_check(trace);
    return program.text;
}

static void says(const char *output, const char *text)
{
    if (!strstr(output, text))
        fail_msg("it does not say '%s', but:\n%s", text, output);
}

static void test_timeouts(void **state)
{
    (void)state;
    const char *output = runs("timeouts", 0);
    unsigned ticks = 0;

    says(output, "done after ");
    says(output, "given up after ");
    says(output, "which stands for "); /* at least 2 periods; more on a machine that is busy */
    for (const char *tick = output; (tick = strstr(tick, "tick after ")); tick++)
        ticks++;
    assert_int_equal(ticks, 5);
}

/* Here the kernel leaves nothing to chance. */
static void test_level_vs_edge(void **state)
{
    (void)state;
    const char *output = runs("level_vs_edge", 0);

    says(output, "level-triggered   reported 5 of 5 times\n  edge-triggered    reported 1 of 5 times\n");
    says(output, "level-triggered   reports: 1, reads: 11,");
    says(output, "edge-triggered    reports: 1, reads: 11,");
    says(output, "level-triggered   got 10 of 10 bytes\n");
    says(output, "edge-triggered    got 4 of 10 bytes, then no report for 100 ms, though 6 bytes lie there\n");
    says(output, "one byte more is sent, and that is reported; now 7 bytes can be read\n");
}

static void test_select_poll_epoll(void **state)
{
    (void)state;
    const char *output = runs("select_poll_epoll", 0);
    says(output, "\n       10  ");
    says(output, "\n     1000  ");

    output = runs("select_poll_epoll", 200);
    says(output, "allows no more than 184.");
    says(output, "\n      100  ");
    assert_null(strstr(output, "\n     1000  "));
}

static void test_sleep_many(void **state)
{
    (void)state;
    const char *output = runs("sleep_many", 0);
    says(output, "10000 sleeps of 100 us");
    says(output, "Woken early: 0.");
}

static void test_arguments(void **state)
{
    static const char *const names[] = {"timeouts", "level_vs_edge", "select_poll_epoll", "sleep_many"};
    static struct program program;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *const help[] = {demo(names[i]), "--help", NULL}, *const bad[] = {demo(names[i]), "--bad", NULL};
        assert_int_equal(program_run(&program, help, NULL), 0);
        says(program.text, "TRACE=run.trace");
        assert_int_equal(program_run(&program, bad, NULL), 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeouts),          cmocka_unit_test(test_level_vs_edge),
        cmocka_unit_test(test_select_poll_epoll), cmocka_unit_test(test_sleep_many),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
