/* json.h – items into arrays and objects of cJSON, whatever memory there is.
 *
 * cJSON's own calls leave an item that they cannot add to the caller, who mostly forgets it; these
 * free it. Both may be given what could not be made (NULL): then the document lacks it. */
#ifndef OFFLOOP_HTTP_JSON_H
#define OFFLOOP_HTTP_JSON_H

#include <cjson/cJSON.h>

/* Takes the item over. */
static inline void json_append(cJSON *array, cJSON *item)
{
    if (!cJSON_AddItemToArray(array, item))
        cJSON_Delete(item);
}

/* Takes the item over; the name is copied. */
static inline void json_put(cJSON *object, const char *name, cJSON *item)
{
    if (!cJSON_AddItemToObject(object, name, item))
        cJSON_Delete(item);
}

#endif
