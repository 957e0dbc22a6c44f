/* The list.
 * SPDX-License-Identifier: MIT */
#include "../harness.h"

#include <bough/list.h>

struct letter {
    struct bough_list link;
    char c;
};

static struct letter letters[8];
static struct bough_list head;

static void set_up(void)
{
    bough_list_init(&head);
    for (int i = 0; i < 8; i++)
        letters[i].c = (char)('a' + i);
}

/* The letters on the list, checked in both directions. */
static const char *text_of(const struct bough_list *list)
{
    static char text[16];
    size_t count = 0;
    bough_list_foreach (node, list)
        text[count++] = bough_container_of(node, struct letter, link)->c;
    text[count] = '\0';
    for (const struct bough_list *node = list->prev; node != list; node = node->prev)
        CHECK_EQ(bough_container_of(node, const struct letter, link)->c, text[--count]);
    CHECK_EQ(count, 0);
    return text;
}

static void push_all(int count)
{
    for (int i = 0; i < count; i++)
        bough_list_push(&head, &letters[i].link);
}

TEST(an_empty_list_has_no_first)
{
    set_up();
    CHECK(bough_list_is_empty(&head));
    CHECK(bough_list_first(&head) == NULL);
    CHECK(bough_list_pop(&head) == NULL);
    CHECK_STR(text_of(&head), "");
}

TEST(push_puts_last_and_push_front_first)
{
    set_up();
    push_all(3);
    CHECK_STR(text_of(&head), "abc");
    bough_list_push_front(&head, &letters[3].link);
    CHECK_STR(text_of(&head), "dabc");
    CHECK(bough_list_first(&head) == &letters[3].link);
    CHECK(!bough_list_is_empty(&head));
}

TEST(pop_takes_the_first_and_leaves_it_unlinked)
{
    set_up();
    push_all(2);
    CHECK(bough_list_pop(&head) == &letters[0].link);
    CHECK(bough_list_is_empty(&letters[0].link));
    CHECK_STR(text_of(&head), "b");
    CHECK(bough_list_pop(&head) == &letters[1].link);
    CHECK(bough_list_pop(&head) == NULL);
}

TEST(unlinking_works_anywhere_and_twice_is_nothing)
{
    set_up();
    push_all(4);
    bough_list_unlink(&letters[1].link);
    CHECK_STR(text_of(&head), "acd");
    bough_list_unlink(&letters[1].link);
    CHECK_STR(text_of(&head), "acd");
    bough_list_unlink(&letters[3].link);
    bough_list_unlink(&letters[0].link);
    CHECK_STR(text_of(&head), "c");
    bough_list_push(&head, &letters[1].link); /* and it can be linked again */
    CHECK_STR(text_of(&head), "cb");
}

TEST(splice_appends_all_and_empties_the_other)
{
    struct bough_list other;
    set_up();
    bough_list_init(&other);
    push_all(2);
    bough_list_splice(&head, &other); /* nothing */
    CHECK_STR(text_of(&head), "ab");
    for (int i = 2; i < 5; i++)
        bough_list_push(&other, &letters[i].link);
    bough_list_splice(&head, &other);
    CHECK_STR(text_of(&head), "abcde");
    CHECK(bough_list_is_empty(&other));
    bough_list_splice(&other, &head);
    CHECK_STR(text_of(&other), "abcde");
    CHECK(bough_list_is_empty(&head));
}

TEST(the_body_of_foreach_may_unlink_the_node_it_is_at)
{
    set_up();
    push_all(8);
    bough_list_foreach (node, &head)
        if (bough_container_of(node, struct letter, link)->c % 2)
            bough_list_unlink(node);
    CHECK_STR(text_of(&head), "bdfh");
    bough_list_foreach (node, &head)
        bough_list_unlink(node);
    CHECK(bough_list_is_empty(&head));
}
