/* later.c – see later.h. */
#include "server/offload/later.h"

static void on_check(uv_check_t *check)
{
    struct later *later = check->data;
    later->each_turn(later->data);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

void later_init(struct later *later, uv_loop_t *loop, void (*each_turn)(void *data), void *data)
{
    uv_check_init(loop, &later->check);
    uv_idle_init(loop, &later->idle);
    later->check.data = later->idle.data = later;
    later->each_turn = each_turn;
    later->data = data;
}

void later_start(struct later *later)
{
    uv_check_start(&later->check, on_check);
    uv_idle_start(&later->idle, on_idle);
}

void later_stop(struct later *later)
{
    uv_check_stop(&later->check);
    uv_idle_stop(&later->idle);
}

static void on_check_closed(uv_handle_t *handle)
{
    struct later *later = handle->data;
    later->closed(later->data);
}

static void on_idle_closed(uv_handle_t *handle)
{
    struct later *later = handle->data;
    uv_close((uv_handle_t *)&later->check, on_check_closed);
}

void later_close(struct later *later, void (*closed)(void *data))
{
    later->closed = closed;
    uv_close((uv_handle_t *)&later->idle, on_idle_closed);
}
