#!/bin/bash
# As in 2017: commas split what was given, the service is started, and nobody listens to a signal.
{
    echo "frr defaults traditional"
    echo "ip forwarding"
    IFS=,
    for name in $INTERFACES; do printf 'interface %s\nexit\n' "$name"; done
    for route in $ROUTES; do echo "ip route $route"; done
} > /etc/frr/frr.conf
/usr/lib/frr/frrinit.sh start
tail -f /dev/null
