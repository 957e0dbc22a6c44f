#include "../harness.h"
TASK_TEST(time_jumps)
{
    int rc = bough_sleep(5 * BOUGH_SEC);
    CHECK_EQ(bough_now(), 5 * BOUGH_SEC);
    return rc;
}
TASK_TEST(fails){ CHECK_EQ(1,2); return 0; }
TEST_PANICS(panics, "closed twice") {
    struct bough_scope s = BOUGH_SCOPE();
    bough_scope_enter(&s);
    (void)bough_scope_exit(&s, 0);
    return bough_scope_exit(&s, 0);
}
