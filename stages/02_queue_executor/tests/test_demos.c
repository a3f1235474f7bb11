/* Every demo runs, ends by itself, says what it should, and makes a recording without a broken contract. */
/* LINK: -Wl,--wrap=malloc,--wrap=free */
#include "support.h"

static void test_round_robin(void **state)
{
    (void)state;
    assert_demo("round_robin", NULL, 0,
                "Ann takes step 1 of 3\n  Bob takes step 1 of 2\n    Cid takes step 1 of 4\nAnn takes step 2 of 3\n"
                "  Bob takes step 2 of 2 and is there\n    Cid takes step 2 of 4\n");
}

static void test_join_values(void **state)
{
    (void)state;
    assert_demo("join_values", NULL, 0, "3 to the 2 plus 4 to the 2 is 25.");
}

static void test_wasted_polls(void **state)
{
    (void)state;
    assert_demo("wasted_polls", NULL, 0, "in between were wasted");
}

static void test_help_and_bad_arguments(void **state)
{
    (void)state;
    assert_demo("join_values", "--help", 0, "Run it:");
    assert_demo("join_values", "3", 2, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_robin),
        TEST(test_join_values),
        TEST(test_wasted_polls),
        TEST(test_help_and_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
