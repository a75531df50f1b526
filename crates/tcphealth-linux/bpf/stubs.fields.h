// What is told of less than a socket, and how a socket's control group is found.
FIELD(inet_timewait_sock, tw_timer__expires)
FIELD(request_sock, rsk_timer__expires)
FIELD(request_sock, num_retrans)
FIELD(sock, sk_cgrp_data__cgroup)
FIELD(cgroup, kn)
FIELD(kernfs_node, id)
