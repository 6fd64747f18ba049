// The users: who there is, how each stands, and the ways to add one.
import { Button, Pagination, TextInput } from '@mantine/core';
import { Mail, RefreshCw, Search, ShieldCheck, UserPlus } from 'lucide-react';
import { useDeferredValue, useState } from 'react';
import { useApi } from '../gateway/call.ts';
import { Fault } from '../parts/Fault.tsx';
import { ago, count, moment } from '../parts/format.ts';
import { useLoaded } from '../parts/loaded.ts';
import { Tone } from '../parts/Tone.tsx';
import { Waiting } from '../parts/Waiting.tsx';
import { AddUser, InviteUser } from './AddUser.tsx';
import { UserDrawer } from './UserDrawer.tsx';
import { list, nameOf, perPage, providersOf, standing, verifiedFactors, type User } from './users.ts';

export default function Users() {
  const api = useApi();
  const [page, setPage] = useState(1);
  const [search, setSearch] = useState('');
  const sought = useDeferredValue(search.trim());
  const [dialog, setDialog] = useState<'add' | 'invite'>();
  const [open, setOpen] = useState<string>();
  const { value, fault, reload } = useLoaded(api && (() => list(api, page, sought)), [api, page, sought]);
  const pages = Math.max(1, Math.ceil((value?.total ?? 0) / perPage));

  return (
    <div className="column wide">
      <div className="bar">
        <h1>Users</h1>
        {value && <span className="quiet">{count(value.total, 'user')}</span>}
        <span className="head-space" />
        <Button leftSection={<Mail size={14} aria-hidden />} onClick={() => setDialog('invite')} disabled={!api}>Invite</Button>
        <Button variant="filled" leftSection={<UserPlus size={14} aria-hidden />} onClick={() => setDialog('add')} disabled={!api}>Add user</Button>
      </div>
      <div className="bar">
        <TextInput
          className="search"
          aria-label="Search users"
          placeholder="Email or name"
          leftSection={<Search size={14} aria-hidden />}
          value={search}
          onChange={(event) => {
            setSearch(event.currentTarget.value);
            setPage(1);
          }}
        />
        <Button leftSection={<RefreshCw size={14} aria-hidden />} onClick={() => void reload()} disabled={!api}>Refresh</Button>
      </div>
      {fault && <Fault title={fault} />}
      {!value && !fault && <Waiting what="users" />}
      {value && value.users.length === 0 && <p className="quiet empty">{sought ? `Nobody’s email or name has “${sought}” in it.` : 'Nobody has signed up yet. Add a user, invite one, or call supabase.auth.signUp.'}</p>}
      {value && value.users.length > 0 && <UserTable users={value.users} open={setOpen} />}
      {pages > 1 && <Pagination size="sm" total={pages} value={page} onChange={setPage} getControlProps={(control) => ({ 'aria-label': `${control[0]!.toUpperCase()}${control.slice(1)} page` })} getItemProps={(number) => ({ 'aria-label': `Page ${number}` })} />}
      {api && <AddUser api={api} opened={dialog === 'add'} close={() => setDialog(undefined)} done={reload} />}
      {api && <InviteUser api={api} opened={dialog === 'invite'} close={() => setDialog(undefined)} done={reload} />}
      {api && <UserDrawer key={open} api={api} id={open} close={() => setOpen(undefined)} changed={reload} />}
    </div>
  );
}

function UserTable({ users, open }: { users: User[]; open: (id: string) => void }) {
  return (
    <div className="table-frame">
      <table className="table" aria-label="Users">
        <thead>
          <tr>
            <th scope="col">User</th><th scope="col">State</th><th scope="col" className="wide-only">Signs in by</th>
            <th scope="col" className="wide-only">Created</th><th scope="col" className="wide-only">Last sign-in</th>
          </tr>
        </thead>
        <tbody>
          {users.map((user) => {
            const { word, tone } = standing(user);
            const factors = verifiedFactors(user);
            return (
              <tr key={user.id}>
                <td><button type="button" className="row-open" onClick={() => open(user.id)}>{nameOf(user)}</button></td>
                <td>
                  <span className="states">
                    <Tone tone={tone}>{word}</Tone>
                    {factors.length > 0 && <span className="tag"><ShieldCheck size={12} aria-hidden /> MFA</span>}
                  </span>
                </td>
                <td className="wide-only">{providersOf(user).join(', ') || <span className="quiet">none</span>}</td>
                <td className="wide-only unbroken" title={moment(user.created_at)}>{ago(user.created_at)}</td>
                <td className="wide-only unbroken" title={moment(user.last_sign_in_at)}>{ago(user.last_sign_in_at)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
