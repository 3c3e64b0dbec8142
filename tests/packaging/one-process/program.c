/* SPDX-License-Identifier: MIT */
/* usage: program PLUGIN...: loads all, for everybody to see, and lets each use its own tpark. */
#include "user.h"

enum { MOST = 16 };

int main(int argc, char **argv)
{
    int wrong = try_tpark();
    void *objects[MOST] = {NULL};
    for (int i = 1; i < argc && i < MOST; i++) {
        objects[i] = dlopen(argv[i], RTLD_NOW | RTLD_GLOBAL);
        if (!objects[i])
            return printf("%s\n", dlerror());
    }
    for (int round = 0; round < 2; round++)
        for (int i = 1; i < argc && i < MOST; i++) {
            int (*plugin)(void);
            *(void **)&plugin = dlsym(objects[i], "plugin");
            wrong += plugin() + try_tpark();
        }
    return wrong;
}
