/* For each rule a program that breaks it, run as a child and recorded: `check` names that rule, the task and the line.
 * And docs/contracts.md describes exactly the rules that there are. */
#include "judged.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE "docs/contracts.md"

static char breaker[4096]; /* the program's path: beside this one */

/* Runs it, recording; what it prints is the task and the line to be found. */
static void run_breaker(const char *rule, int *task, int *line)
{
    const char *path = scratch_path();
    int pipes[2], status;
    pid_t child;
    FILE *said;

    assert_int_equal(pipe(pipes), 0);
    child = fork();
    if (child == 0) {
        setenv("TRACE", path, 1);
        setenv("TRACE_LIMIT", "1M", 1);
        dup2(pipes[1], STDOUT_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        execl(breaker, breaker, rule, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    said = fdopen(pipes[0], "r");
    assert_non_null(said);
    if (fscanf(said, "%d %d", task, line) != 2)
        fail_msg("breaker has nothing for rule %s", rule);
    fclose(said);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void assert_breach(const struct rule *rule)
{
    struct judged j;
    char error[256], words[1000], expected[200];
    int task, line;

    run_breaker(rule->id, &task, &line);
    if (recording_open(&j.rec, scratch_path(), error, sizeof error) < 0)
        fail_msg("%s: %s", rule->id, error);
    check_run(&j.check, &j.rec);
    snprintf(expected, sizeof expected, "%s task %d line %d", rule->id, task, line);
    assert_string_equal(judged_words(&j, words, sizeof words), expected);
    judged_free(&j);
    unlink(scratch_path());
}

static void each_breach_is_named(void **state)
{
    (void)state;
    for (const struct rule *rule = rules; rule->id; rule++)
        assert_breach(rule);
}

/* ---- the page */

static char *read_page(void)
{
    FILE *file = fopen(PAGE, "r");
    char *text = calloc(1, 1 << 20);

    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* A rule's section has its id for a title and states it in the words of the code, in italics. */
static void page_describes_each_rule(void **state)
{
    char *page = read_page();
    unsigned titles = 0, rule_count = 0;

    (void)state;
    for (const struct rule *rule = rules; rule->id; rule++) {
        char title[200];

        snprintf(title, sizeof title, "\n### %s\n*%s*\n", rule->id, rule->says);
        if (!strstr(page, title))
            fail_msg("%s has no section that begins%s", PAGE, title);
        rule_count++;
    }
    for (const char *at = page; (at = strstr(at, "\n### ")); at++)
        titles++;
    assert_int_equal(titles, rule_count);
    free(page);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_breach_is_named),
        cmocka_unit_test(page_describes_each_rule),
    };
    const char *slash = strrchr(argv[0], '/');

    (void)argc;
    snprintf(breaker, sizeof breaker, "%.*sbreaker", slash ? (int)(slash - argv[0] + 1) : 0, argv[0]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
