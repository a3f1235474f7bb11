/* LINK: @tests/support.link */
/* The demos: each runs alone, ends by itself with exit 0, and says what it is there to show. */
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants four of those above it. */
#include <cmocka.h>

static char output[8192];

/* The folder above this test: the demos are there. */
static const char *demos(void)
{
    static char self[PATH_MAX];

    memset(self, 0, sizeof self);
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    return dirname(dirname(self));
}

/* Runs a command, which may be a demo, in that folder, and returns its exit code; what it prints is in `output`. */
static int run(const char *command)
{
    char line[PATH_MAX + 200];

    snprintf(line, sizeof line, "cd '%s' && export PATH=.:$PATH && timeout 60 %s 2>&1", demos(), command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    output[fread(output, 1, sizeof output - 1, pipe)] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void runs(const char *demo)
{
    int code = run(demo);
    if (code != 0)
        fail_msg("%s exits with %d and says:\n%s", demo, code, output);
}

static void says(const char *text)
{
    if (!strstr(output, text))
        fail_msg("it does not say '%s' but:\n%s", text, output);
}

static void says_not(const char *text)
{
    if (strstr(output, text))
        fail_msg("it says '%s':\n%s", text, output);
}

/* The first number after some text. */
static double number_after(const char *text)
{
    says(text);
    return strtod(strstr(output, text) + strlen(text), NULL);
}

static void test_three_timers(void **state)
{
    (void)state;
    runs("three_timers");
    says("task 2 is awake again\ntask 1 is awake again\ntask 3 is awake again\n");
    assert_true(number_after("All three took ") >= 150);
    assert_true(number_after("together, and ") < 75); /* ms of CPU, with room for a sanitizer */
}

static void test_remote_wake(void **state)
{
    (void)state;
    runs("remote_wake");
    says("The letter says 42.");
    assert_true(number_after("It took ") >= 195); /* the clock begins when the other thread runs already */
    assert_int_equal((int)number_after(" ms and "), 2);
    assert_true(number_after("polls; ") < 75);
}

static void test_lost_task(void **state)
{
    (void)state;
    runs("lost_task stop");
    says("2 of 2 tasks are not done");
    says("LOST: 2 wakes have come");
    runs("lost_task wrong_queue");
    says("2 of 2 tasks are not done");
    says("LOST: 2 wakes have come");
    runs("lost_task mended");
    says("0 of 2 tasks are not done");
    says_not("LOST");
    runs("lost_task");
    says("stop: ");
    says("wrong_queue: ");
    says("mended: ");
}

static void test_abort(void **state)
{
    (void)state;
    runs("abort");
    says("the join handle of 'asleep': no output");
    says("the join handle of 'queued': no output");
    says("the join handle of 'itself': no output");
    says("the join handle of 'too late': here is its output");
    says_not("queued   starts");
    says("Desks still in use: 0.");
}

static void test_coalesce(void **state)
{
    (void)state;
    runs("coalesce");
    says("It was polled 2 times: once until");
    says("It was polled 4 times: no wake was lost");
}

static void test_take_turns(void **state)
{
    (void)state;
    runs("take_turns");
    says("Without yield_now: A1 A2 A3 B1 B2 B3\n");
    says("With    yield_now: A1 B1 A2 B2 A3 B3\n");
}

static void test_race(void **state)
{
    (void)state;
    runs("race");
    says("the work is done, and the limit was dropped");
    says("the time is up, and the work was dropped half-way");
}

static void test_deadlock(void **state)
{
    (void)state;
    runs("deadlock");
    says("2 tasks are still alive");
}

static void test_every_demo_answers_help_and_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    const char *names[] = {"three_timers", "remote_wake", "lost_task", "abort",
                           "coalesce",     "take_turns",  "race",      "deadlock"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char command[64];
        snprintf(command, sizeof command, "%s --help", names[i]);
        runs(command);
        says("TRACE=run.trace");
        snprintf(command, sizeof command, "%s nonsense", names[i]);
        assert_int_equal(run(command), 2);
        says("nonsense");
    }
}

/* Records a demo and returns what lifeline says to it. */
static int checked(const char *demo)
{
    char command[PATH_MAX + 100], trace[] = "/tmp/wakeful.XXXXXX";
    int fd = mkstemp(trace);

    assert_int_not_equal(fd, -1);
    close(fd);
    snprintf(command, sizeof command, "env TRACE=%s %s", trace, demo);
    runs(command);
    snprintf(command, sizeof command, "../../bin/lifeline check %s", trace);
    int code = run(command);
    unlink(trace);
    return code;
}

static void is_clean(const char *demo)
{
    if (checked(demo) != 0)
        fail_msg("the recording of %s breaks a contract:\n%s", demo, output);
}

static void breaks(const char *demo, const char *rule)
{
    assert_int_equal(checked(demo), 1);
    says(rule);
}

static void test_recordings_break_no_contract_unless_they_are_meant_to(void **state)
{
    (void)state;
    if (run("../../bin/lifeline --help") != 0) /* the stage was copied out alone */
        skip();
    is_clean("three_timers");
    is_clean("remote_wake");
    is_clean("abort");
    is_clean("coalesce");
    is_clean("take_turns");
    is_clean("race");
    is_clean("lost_task mended");
    breaks("lost_task stop", "broken[lost-wake]: task 1 ");
    breaks("lost_task wrong_queue", "broken[lost-wake]: task 1 ");
    breaks("deadlock", "broken[deadlock]: task 1 waits for the end of task 2, which waits for the end of task 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_timers),
        cmocka_unit_test(test_remote_wake),
        cmocka_unit_test(test_lost_task),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_coalesce),
        cmocka_unit_test(test_take_turns),
        cmocka_unit_test(test_race),
        cmocka_unit_test(test_deadlock),
        cmocka_unit_test(test_recordings_break_no_contract_unless_they_are_meant_to),
        cmocka_unit_test(test_every_demo_answers_help_and_refuses_what_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
