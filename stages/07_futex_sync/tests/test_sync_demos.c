/* The demos about threads: each runs alone, ends by itself, says what it is there to show, and makes a recording in
 * which no contract is broken, or the one that it breaks on purpose. */
#include "support_program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *runs(const char *const argv[], const char *trace)
{
    static struct program program;
    int status = program_run(&program, argv, trace);

    if (status != 0)
        fail_msg("%s ends with %d and says:\n%s", argv[0], status, program.text);
    return program.text;
}

static void says(const char *output, const char *text)
{
    if (!strstr(output, text))
        fail_msg("it does not say '%s', but:\n%s", text, output);
}

/* Calls per item in the line of this scene. */
static double calls_per_item(const char *output, const char *scene)
{
    double calls = -1;
    const char *line = strstr(output, scene);

    assert_non_null(line);
    assert_int_equal(sscanf(line, "%*s %*s %*s %*s %*s %lf", &calls), 1);
    return calls;
}

static void test_user_kernel_dance(void **state)
{
    const char *const argv[] = {demo("user_kernel_dance"), NULL};
    const char *trace = scratch("user_kernel_dance");
    const char *output = runs(argv, trace);

    (void)state;
    assert_true(calls_per_item(output, "\nalone") == 0);
    assert_true(calls_per_item(output, "\nrendezvous") > calls_per_item(output, "\nstream"));
    recording_check(trace);
}

/* The number behind this name in a table. */
static unsigned number_of(const char *table, const char *name)
{
    unsigned number = 0;
    const char *row = strstr(table, name);

    assert_non_null(row);
    assert_int_equal(sscanf(row + strlen(name), "%u", &number), 1);
    return number;
}

/* What it counts by itself, and what was recorded. */
static void test_the_recording_counts_the_same(void **state)
{
    const char *const argv[] = {demo("user_kernel_dance"), "rendezvous", NULL};
    const char *trace = scratch("rendezvous");
    const char *const stats[] = {lifeline(), "stats", trace, NULL};
    unsigned waits, wakes;

    (void)state;
    const char *row = strstr(runs(argv, trace), "\nrendezvous");
    assert_non_null(row);
    assert_int_equal(sscanf(row, "%*s %*s %*s %u %u", &waits, &wakes), 2);
    if (access(lifeline(), X_OK) != 0)
        return;
    const char *table = runs(stats, NULL);
    assert_int_equal(number_of(table, "\nfutex_wait "), waits);
    assert_int_equal(number_of(table, "\nfutex_wake "), wakes);
}

static void test_user_kernel_dance_arguments(void **state)
{
    const char *const alone[] = {demo("user_kernel_dance"), "alone", NULL};
    const char *const help[] = {demo("user_kernel_dance"), "--help", NULL};
    const char *const wrong[] = {demo("user_kernel_dance"), "tango", NULL};
    struct program program;

    (void)state;
    assert_null(strstr(runs(alone, NULL), "stream"));
    says(runs(help, NULL), "usage: user_kernel_dance");
    assert_int_equal(program_run(&program, wrong, NULL), 2);
    says(program.text, "does not know 'tango'");
}

static void test_spurious_wakeup(void **state)
{
    const char *const argv[] = {demo("spurious_wakeup"), NULL};
    const char *trace = scratch("spurious_wakeup");
    const char *output = runs(argv, trace);

    (void)state;
    says(output, "if:     the wait has ended, so I take the parcel: there is none!");
    says(output, "and now I take the parcel: a book");
    recording_check(trace);
}

/* Whatever lifeline says of the recording; NULL: it is not there. */
static const char *check(const char *trace)
{
    static struct program program;
    const char *const argv[] = {lifeline(), "check", trace, NULL};

    if (access(lifeline(), X_OK) != 0)
        return NULL;
    assert_int_equal(program_run(&program, argv, NULL), 1);
    return program.text;
}

static void test_dining_philosophers(void **state)
{
    const char *const argv[] = {demo("dining_philosophers"), NULL};
    const char *trace = scratch("dining_philosophers");
    const char *output = runs(argv, trace);

    (void)state;
    says(output, "philosopher 5 waits for fork 1, which philosopher 1 holds\n  ... and that is a circle");
    says(output, "all five have eaten");
    output = check(trace);
    if (output)
        says(output, "broken[deadlock]");
}

static void test_three_mutexes(void **state)
{
    const char *const argv[] = {demo("three_mutexes"), NULL};
    const char *trace = scratch("three_mutexes");
    const char *output = runs(argv, trace);

    (void)state;
    says(output, "always:   10000 locks and unlocks by one thread alone: 10000 system calls");
    says(output, "ours:     10000 locks and unlocks by one thread alone: 0 system calls");
    says(output, "never:    1 slept for it, it was given back, and 0 of them got it");
    says(output, "loses:    2 slept for it, it was given back, and 1 of them got it");
    says(output, "ours:     2 slept for it, it was given back, and 2 of them got it\n");
    says(output, "touches:  unlock freed it");
    recording_check(trace);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_kernel_dance),           cmocka_unit_test(test_the_recording_counts_the_same),
        cmocka_unit_test(test_user_kernel_dance_arguments), cmocka_unit_test(test_spurious_wakeup),
        cmocka_unit_test(test_dining_philosophers),         cmocka_unit_test(test_three_mutexes),
    };
    return cmocka_run_group_tests_name("demos of threads", tests, scratch_make, scratch_remove);
}
