#!/bin/sh
# Hands this folder out for network boot, until Ctrl-C; README.txt says more.
#
#   serve.sh INTERFACE              beside a DHCP server
#   serve.sh INTERFACE FIRST LAST   with addresses of its own, from FIRST to LAST
set -eu
fail() { echo "serve.sh: $*" >&2; exit 1; }
[ $# = 1 ] || [ $# = 3 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; }
interface=$1
PATH=$PATH:/usr/sbin:/sbin
for program in dnsmasq nginx ip; do
    command -v "$program" >/dev/null || fail "no $program here: apt-get install dnsmasq-base nginx-light iproute2"
done
root=$(cd "$(dirname "$0")" && pwd)
address=$(ip -4 -o address show dev "$interface" scope global | awk '{ sub("/.*", "", $4); print $4; exit }')
[ -n "$address" ] || fail "$interface has no IPv4 address"
range=${2:+$2,$3,1h}
range=${range:-$address,proxy}

state=$(mktemp -d)
children=
finish() {
    # shellcheck disable=SC2086
    [ -z "$children" ] || kill $children 2>/dev/null || true
    rm -rf "$state"
}
trap finish EXIT
trap 'exit 0' INT TERM
for config in dnsmasq.conf nginx.conf; do
    sed -e "s|@INTERFACE@|$interface|g" -e "s|@ADDRESS@|$address|g" -e "s|@RANGE@|$range|g" \
        -e "s|@ROOT@|$root|g" -e "s|@STATE@|$state|g" "$root/$config" >"$state/$config"
done
# Whoever gives addresses names the file with them; the menu is for a proxy.
[ $# = 1 ] || sed -i '/^pxe-service/d' "$state/dnsmasq.conf"
# In a namespace with but one user the servers cannot become another.
alone= stay=--keep-in-foreground
if [ "$(awk 'NR == 1 { print $3 }' /proc/self/uid_map)" = 1 ]; then
    alone='master_process off; user root;' stay=--no-daemon
fi
nginx -e stderr -c "$state/nginx.conf" -g "daemon off; $alone" &
children=$!
dnsmasq $stay --conf-file="$state/dnsmasq.conf" --log-facility=- --dhcp-leasefile="$state/leases" &
children="$children $!"
echo "handing out $root at $address on $interface ($range); Ctrl-C ends it"
# Whichever ends first ends both.
while sleep 1; do
    for child in $children; do
        kill -0 "$child" 2>/dev/null || fail "a server ended: see above"
    done
done
