'use strict'

// The routes of tests/faults/urls.py in Express, before a store that is set up as its own page says.
// Its packages are those of examples/express: NODE_PATH leads there.

const express = require('express')
const session = require('express-session')

const { STORE, DATABASE, SECRET } = process.env
const DAYS_30 = 30 * 86400 * 1000
const store = STORE === 'connect-pg' ? postgres(JSON.parse(DATABASE)) : mysql(JSON.parse(DATABASE))
const clean = (store.clearExpiredSessions || promised(store.pruneSessions)).bind(store)
let queries = 0
const query = store.query
store.query = function (...parts) { queries++; return query.apply(this, parts) }

function mysql (database) {
  const MySQLStore = require('express-mysql-session')(session)
  return new MySQLStore(database)
}

function postgres (database) {
  const PgStore = require('connect-pg-simple')(session)
  return new PgStore({ conObject: database, createTableIfMissing: true })
}

function promised (call) {
  return function () {
    return new Promise((resolve, reject) => call.call(this, error => error ? reject(error) : resolve()))
  }
}

// Requests that meet here go on when the last one has come.
const meetings = new Map()

function meeting ({ meeting: name }) {
  if (!meetings.has(name)) meetings.set(name, [])
  return meetings.get(name)
}

function met (address) {
  return new Promise(resolve => {
    const waiting = meeting(address)
    waiting.push(resolve)
    if (waiting.length === Number(address.of)) waiting.splice(0).forEach(go => go())
  })
}

const app = express()

app.get('/waiting/', (request, response) => response.json({ waiting: meeting(request.query).length }))
app.get('/arrive/', async (request, response) => { await met(request.query); response.send('done') })
app.get('/queries/', (request, response) => response.json({ queries }))
app.get('/clean/', async (request, response) => { await clean(); response.send('done') })

app.use(session({
  secret: SECRET,
  store,
  resave: false,
  saveUninitialized: false,
  cookie: { maxAge: DAYS_30 }
}))

function answer (request, response) {
  if ('fail' in request.query) throw new Error('the view fails')
  response.json({ user: request.session.user ?? null, value: request.session.a ?? null })
}

function write (request, response) {
  request.session[request.query.key || 'a'] = request.query.value || 'new'
  answer(request, response)
}

// As "User login" of express-session's page does it.
function login (request, response, next) {
  request.session.regenerate(error => {
    if (error) return next(error)
    request.session.user = '1'
    request.session.save(error => {
      if (error) return next(error)
      try { answer(request, response) } catch (error) { next(error) }
    })
  })
}

function logout (request, response, next) {
  request.session.user = null
  request.session.save(error => {
    if (error) return next(error)
    request.session.regenerate(error => {
      if (error) return next(error)
      try { answer(request, response) } catch (error) { next(error) }
    })
  })
}

// A new id for what the session holds.
function cycle (request, response, next) {
  const { cookie, ...held } = request.session
  request.session.regenerate(error => {
    if (error) return next(error)
    Object.assign(request.session, held)
    try { answer(request, response) } catch (error) { next(error) }
  })
}

app.get('/read/', answer)
app.get('/write/', write)
app.get('/login/', login)
app.get('/logout/', logout)
app.get('/cycle/', cycle)
app.get('/together/', async (request, response) => { await met(request.query); write(request, response) })

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`Express listens on http://127.0.0.1:${server.address().port}`)
})
