%% Erlang: two nodes, each a process of the system, that talk over loopback. A call is a
%% gen_server's. The peer node is started by the module peer; the module is its own -epmd_module, so
%% that no daemon of Erlang's is started, which would stay.
%% SPDX-License-Identifier: MIT
-module(bench_erlang).
-behaviour(gen_server).
-export([main/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, cpu_ns/0, start_server/0]).
-export([start_link/0, register_node/2, register_node/3, address_please/3, listen_port_please/2,
         names/1]).

main() ->
    [Name | _] = init:get_plain_arguments(),
    case Name of
        "--list" -> [io:format("~s~n", [M]) || {M, _} <- measures()];
        _ ->
            {Name, Run} = lists:keyfind(Name, 1, measures()),
            io:format("~s ~.2f~n", [Name, float(Run())])
    end,
    halt(0).

measures() ->
    [{"actor-call-process", fun() -> with_server(fun(S) -> call(S, 10000) end) end},
     {"actor-stream-64", fun() -> with_server(fun(S) -> stream(S, 64, 200000) end) end},
     {"actor-stream-4k", fun() -> with_server(fun(S) -> stream(S, 4096, 20000) end) end},
     {"actor-stream-1m", fun() -> with_server(fun(S) -> stream(S, 1 bsl 20, 100) end) end},
     {"actor-start", fun() -> start(3) end}].

%% --- the server, on the other node ---

start_server() ->
    {ok, Pid} = gen_server:start(?MODULE, [], []),
    Pid.

init([]) -> {ok, 0}.
handle_call(count, _From, Count) -> {reply, Count, 0};
handle_call(Message, _From, Count) -> {reply, Message, Count}.
handle_cast(_Message, Count) -> {noreply, Count}.
handle_info(_Message, Count) -> {noreply, Count + 1}.

%% --- the measures ---

call(Server, Times) ->
    Message = binary:copy(<<0>>, 64),
    cost(Server, Times, fun() -> gen_server:call(Server, Message) end).

stream(Server, Size, Times) ->
    Message = binary:copy(<<0>>, Size),
    cost(Server, Times, fun() -> Server ! Message end).

cost(Server, Times, Fun) ->
    round_of(Server, Times div 10, Fun),
    round_of(Server, Times, Fun) / Times.

%% CPU time of both nodes for so many, until all have arrived.
round_of(Server, Times, Fun) ->
    Before = cpu_of_both(Server),
    repeat(Times, Fun),
    _ = gen_server:call(Server, count, infinity),
    cpu_of_both(Server) - Before.

repeat(0, _Fun) -> ok;
repeat(Times, Fun) -> Fun(), repeat(Times - 1, Fun).

cpu_of_both(Server) -> cpu_ns() + erpc:call(node(Server), ?MODULE, cpu_ns, []).

cpu_ns() ->
    {Ms, _} = statistics(runtime),
    Ms * 1000000.

%% In microseconds, real time.
start(Times) ->
    Before = erlang:monotonic_time(nanosecond),
    [with_server(fun(_) -> ok end) || _ <- lists:seq(1, Times)],
    (erlang:monotonic_time(nanosecond) - Before) / Times / 1000.

%% --- the other node ---

with_server(Fun) ->
    {ok, Peer, Node} =
        peer:start_link(#{name => peer:random_name(), host => "localhost",
                          connection => standard_io, args => node_arguments()}),
    Port = peer:call(Peer, persistent_term, get, [bench_port]),
    persistent_term:put(bench_peer_port, Port),
    true = net_kernel:connect_node(Node),
    Figure = Fun(erpc:call(Node, ?MODULE, start_server, [])),
    peer:stop(Peer),
    Figure.

node_arguments() ->
    ["-pa", filename:dirname(code:which(?MODULE)), "-start_epmd", "false", "-epmd_module",
     atom_to_list(?MODULE), "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "+S", "1:1"].

%% --- in place of the daemon ---

start_link() -> ignore.
register_node(Name, Port) -> register_node(Name, Port, inet).
register_node(_Name, Port, _Family) ->
    persistent_term:put(bench_port, Port),
    {ok, 1}.
listen_port_please(_Name, _Host) -> {ok, 0}.
names(_Host) -> {error, address}.
address_please(_Name, _Host, _Family) ->
    {ok, {127, 0, 0, 1}, persistent_term:get(bench_peer_port), 6}.
