/* Takes the recordings of correct runs in scenes.c and, for every single event of them, deletes it, doubles it, or
 * changes one thing in it. `check` must name the rule, the task and the line that mutations.txt says, and nothing else.
 * What it cannot notice is in the table in mutation.c, each with the reason.
 *
 * After a change of the rules: `test_mutations --write` writes mutations.txt anew; read its diff, line by line. */
#include "judged.h"
#include "mutation.h"
#include "scenes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define EXPECTED "lifeline/tests/mutations.txt"

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
        for (size_t i = 0; mutations[i].name; i++) {
            unsigned kind = clean.records[at].kind;

            mutate(&mutations[i], at, words, sizeof words);
            fprintf(to, "%s %u %s %s: %s\n", scene->name, script_line(at), event_kind_name(kind), mutations[i].name,
                    words);
            if (strcmp(words, "clean") == 0 && !silence_for(kind, mutations[i].name)) {
                fprintf(stderr, "not noticed: %s line %u, %s %s\n", scene->name, script_line(at), event_kind_name(kind),
                        mutations[i].name);
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
