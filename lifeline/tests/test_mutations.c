/* Takes the recordings of correct runs in scenes.c and, for every single event of them, deletes it, doubles it, or changes
 * one thing in it. `check` must name the rule, the task and the line that mutations.txt says, and nothing else. What it
 * cannot notice is in the table below, each with the reason.
 *
 * After a change of the rules: `test_mutations --write` writes mutations.txt anew; read its diff, line by line. */
#include "judged.h"
#include "scenes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define EXPECTED "lifeline/tests/mutations.txt"

/* ---- the mutations */

static uint16_t partner_of(uint16_t kind)
{
    return (uint16_t)(kind_end_of(kind) ? kind_end_of(kind) : kind_begin_of(kind) ? kind_begin_of(kind) : TRACE_NOTE);
}

static void delete_event(struct script *s, size_t at)
{
    memmove(&s->records[at], &s->records[at + 1], (s->count - at - 1) * sizeof *s->records);
    s->count--;
}

static void double_event(struct script *s, size_t at)
{
    memmove(&s->records[at + 1], &s->records[at], (s->count - at) * sizeof *s->records);
    s->count++;
}

static void other_kind(struct script *s, size_t at)
{
    s->records[at].kind = partner_of(s->records[at].kind);
}

static void unknown_kind(struct script *s, size_t at)
{
    s->records[at].kind = 255;
}

static void other_task(struct script *s, size_t at)
{
    s->records[at].task = s->records[at].task == 1 ? 2 : 1;
}

static void no_task(struct script *s, size_t at)
{
    s->records[at].task = s->records[at].task ? 0 : 77;
}

static void flip_a(struct script *s, size_t at)
{
    s->records[at].a ^= 1;
}

static void flip_a_high(struct script *s, size_t at)
{
    s->records[at].a ^= 1 << 17;
}

static void flip_b(struct script *s, size_t at)
{
    s->records[at].b ^= 1;
}

static void more_b(struct script *s, size_t at)
{
    s->records[at].b += 1000000;
}

static const struct mutation {
    const char *name;
    void (*change)(struct script *s, size_t at);
} mutations[] = {
    {"delete", delete_event}, {"double", double_event}, {"partner", other_kind}, {"unknown", unknown_kind},
    {"task", other_task},     {"no_task", no_task},     {"a", flip_a},           {"a_high", flip_a_high},
    {"b", flip_b},            {"b_more", more_b},
};

/* ---- what cannot be noticed */

#define MAY_NAME_POLLED "it may name the task that is being polled"

static const struct silence {
    unsigned kind;
    const char *mutations; /* of this kind that may go unnoticed */
    const char *reason;
} silences[] = {
    {TRACE_NOTE, "delete double unknown partner b b_more", "a remark means nothing to the run"},
    {TRACE_THREAD, "a a_high", "what number the system gave a thread shows nowhere else"},
    {TRACE_RUNTIME, "a a_high", "the number of the stage is only shown"},
    {TRACE_RUNTIME, "b", "a runtime may promise less than it keeps"},
    {TRACE_RUNTIME, "b_more", "features of a later version are not known here"},
    {TRACE_JOIN, "delete unknown", "a task that is done need not be joined"},
    {TRACE_QUEUE_POP, "delete double unknown a a_high", "that a queue is found empty changes nothing; so of an empty pop"},
    {TRACE_FUTURE_POLL_END, "a", "a future may be dropped before it is ready"},
    {TRACE_TASK_ABORT, "delete unknown", "to abort a task that is done does nothing"},
    {TRACE_UNPARK, "double", "two threads may both wake a sleeper"},
    {TRACE_SYSCALL_BEGIN, "b b_more", "nothing else says what a call was asked"},
    {TRACE_SYSCALL_END, "b b_more", "nothing else says what a call returned, where no event follows from it"},
    {TRACE_SYSCALL_END, "delete", "a helper thread may be in a call when the program ends"},
    {TRACE_TIMER_ADD, "b b_more", "the deadline of a timer that is cancelled never counts"},
    {TRACE_TURN_BEGIN, "b b_more", "a turn may last less long than it may"},
    {TRACE_WAIT_END, "task no_task", "its task means nothing: the source does not know it"},
    {TRACE_WAIT, "task", MAY_NAME_POLLED},
    {TRACE_FUTURE_NEW, "task", MAY_NAME_POLLED},
    {TRACE_FUTURE_DROP, "task", MAY_NAME_POLLED},
    {TRACE_FUTURE_POLL_BEGIN, "task", MAY_NAME_POLLED},
    {TRACE_FUTURE_POLL_END, "task", MAY_NAME_POLLED},
    {TRACE_REGISTER_BEGIN, "task", MAY_NAME_POLLED},
    {TRACE_DEREGISTER, "task", MAY_NAME_POLLED},
    {TRACE_TIMER_ADD, "task", MAY_NAME_POLLED},
    {TRACE_TIMER_CANCEL, "task", MAY_NAME_POLLED},
};

static bool names_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static const char *silence_for(unsigned kind, const char *mutation)
{
    for (size_t i = 0; i < sizeof silences / sizeof *silences; i++)
        if (silences[i].kind == kind && names_word(silences[i].mutations, mutation))
            return silences[i].reason;
    return NULL;
}

/* ---- running */

static struct script clean, mutant;

static void mutate(const struct mutation *mutation, size_t at, char *words, size_t size)
{
    struct judged j;

    mutant = clean;
    mutation->change(&mutant, at);
    judge_script(&j, &mutant);
    judged_words(&j, words, size);
    judged_free(&j);
}

static unsigned long unexplained; /* mutations that went unnoticed, and no reason is listed */

/* One line for each mutation: "wakers 117 wake_end delete: lost-wake task 2 line 116". */
static void write_scene(FILE *to, const struct scene *scene)
{
    char words[1000];

    script_start(&clean);
    scene->write(&clean);
    for (size_t at = 0; at < clean.count; at++)
        for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++) {
            unsigned kind = clean.records[at].kind;

            mutate(&mutations[i], at, words, sizeof words);
            fprintf(to, "%s %u %s %s: %s\n", scene->name, script_line(at), event_kind_name(kind), mutations[i].name,
                    words);
            if (strcmp(words, "clean") == 0 && !silence_for(kind, mutations[i].name)) {
                fprintf(stderr, "not noticed: %s line %u, %s %s\n", scene->name, script_line(at),
                        event_kind_name(kind), mutations[i].name);
                unexplained++;
            }
        }
}

static void write_all(FILE *to)
{
    for (const struct scene *scene = scenes; scene->name; scene++)
        write_scene(to, scene);
}

/* Shows the lines that differ. */
static unsigned compare(FILE *expected, FILE *found)
{
    char left[1200], right[1200];
    unsigned different = 0;

    for (;;) {
        const char *a = fgets(left, sizeof left, expected);
        const char *b = fgets(right, sizeof right, found);

        if (!a && !b)
            return different;
        if (a && b && strcmp(left, right) == 0)
            continue;
        if (different++ < 10)
            fprintf(stderr, "expected: %sfound:    %s", a ? left : "nothing\n", b ? right : "nothing\n");
    }
}

static void every_mutation_is_found_as_expected(void **state)
{
    FILE *expected = fopen(EXPECTED, "r");
    FILE *found = tmpfile();

    (void)state;
    assert_non_null(expected);
    assert_non_null(found);
    write_all(found);
    rewind(found);
    assert_int_equal(compare(expected, found), 0);
    assert_int_equal(unexplained, 0);
    fclose(expected);
    fclose(found);
}

static void clean_runs_are_clean(void **state)
{
    (void)state;
    for (const struct scene *scene = scenes; scene->name; scene++) {
        struct judged j;
        char words[1000];

        script_start(&clean);
        scene->write(&clean);
        judge_script(&j, &clean);
        assert_string_equal(judged_words(&j, words, sizeof words), "clean");
        assert_true(j.check.complete);
        judged_free(&j);
    }
}

/* A killed run has no end: whatever had not happened yet is no breach, wherever it was cut. */
static void cut_runs_are_clean(void **state)
{
    (void)state;
    for (const struct scene *scene = scenes; scene->name; scene++) {
        script_start(&clean);
        scene->write(&clean);
        for (size_t count = 0; count <= clean.count; count++) {
            struct judged j;
            char words[1000];

            mutant = clean;
            mutant.count = count;
            mutant.killed = true;
            judge_script(&j, &mutant);
            assert_string_equal(judged_words(&j, words, sizeof words), "clean");
            assert_false(j.check.complete);
            judged_free(&j);
        }
    }
}

static int write_expected(void)
{
    FILE *to = fopen(EXPECTED, "w");

    if (!to) {
        perror(EXPECTED);
        return 2;
    }
    write_all(to);
    return fclose(to) == 0 ? 0 : 2;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_runs_are_clean),
        cmocka_unit_test(cut_runs_are_clean),
        cmocka_unit_test(every_mutation_is_found_as_expected),
    };

    if (argc > 1 && strcmp(argv[1], "--write") == 0)
        return write_expected();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
