# Building the program. Sourced by quickstart and test.
# shellcheck shell=bash

# build_in FOLDER [MESON-OPTION…]
build_in() {
    local folder=$root/$1
    shift
    if [ ! -e "$folder/build.ninja" ]; then
        step "Configuring ${folder##*/}/" meson setup "$folder" "$root" "$@"
    fi
    step "Building in ${folder##*/}/" ninja -C "$folder"
}
